// SPDX-License-Identifier: Apache-2.0
use std::process::ExitCode;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

fn main() -> ExitCode {
    // Each open directory of a view is a descriptor, and images have many layers. Without more, most images still do.
    let _ = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if lade::builtin::is_called() {
        return lade::builtin::hello();
    }
    lade::cli::main()
}
