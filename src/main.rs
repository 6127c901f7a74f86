// SPDX-License-Identifier: Apache-2.0
#![no_main]

use tare::{cli, log};

tare::program!(tare_main);

/// Parse, run the command, say once why it failed, end with the code that runc would end with.
fn tare_main() -> i32 {
    let code = cli::run(std::env::args_os()).unwrap_or_else(|failure| {
        log::error(&failure.error.to_string());
        failure.code
    });
    i32::from(code)
}
