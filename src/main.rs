// SPDX-License-Identifier: Apache-2.0
use std::process::ExitCode;

use tare::{cli, log};

/// Parse, run the command, say once why it failed, end with the code that runc would end with.
fn main() -> ExitCode {
    let code = cli::run(std::env::args_os()).unwrap_or_else(|failure| {
        log::error(&failure.error.to_string());
        failure.code
    });
    ExitCode::from(code)
}
