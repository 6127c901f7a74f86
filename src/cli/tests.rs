// SPDX-License-Identifier: Apache-2.0
//! Command lines as go-runc, conmon, buildkit, CRI-O, Podman and people write them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;

use super::create::CreateOptions;
use super::delete::DeleteOptions;
use super::exec::{ExecOptions, Overrides, ProcessSource, UserFlag};
use super::explain::ExplainOptions;
use super::global::Global;
use super::kill::KillOptions;
use super::list::Format;
use super::ps::PsOptions;
use super::run::RunOptions;
use super::spec::SpecOptions;
use super::{COMMANDS, Failure, argv, find, flags, global, usage};

/// Blanks part the words; `''` is an empty one.
fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(|word| OsString::from(if word == "''" { "" } else { word })).collect()
}

type Parsed = std::result::Result<Option<(ArgMatches, ArgMatches)>, Failure>;

/// As `run` does: the matches of the global flags and of the command, None for help.
fn parse(line: &str) -> Parsed {
    let command = global::command();
    let split = argv::split(&command, &words(line), argv::Flags::BeforeArguments);
    let Some(global) = usage::parse(command, split.flags, usage::whole)? else { return Ok(None) };
    let Some((name, rest)) = split.arguments.split_first() else { return Ok(None) };
    let verb = find(name).ok_or_else(|| usage::no_such_command(name))?;
    let command = (verb.command)();
    let split = argv::split(&command, rest, verb.flags);
    Ok(usage::parse_command("runc".as_ref(), verb, command, split)?.map(|matches| (global, matches)))
}

fn matches(line: &str) -> ArgMatches {
    let parsed = parse(line).map_err(|failure| format!("{line}: {}", failure.error));
    parsed.unwrap().unwrap().1
}

fn global_of(line: &str) -> Global {
    Global::new(&parse(line).unwrap().unwrap().0).unwrap()
}

fn some(path: &str) -> Option<PathBuf> {
    Some(PathBuf::from(path))
}

fn create() -> CreateOptions {
    CreateOptions {
        id: "id".into(),
        bundle: "/b".into(),
        console_socket: None,
        pidfd_socket: None,
        pid_file: None,
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 0,
        dry_run: false,
    }
}

#[test]
fn create_as_callers_write_it() {
    let pid_file = || CreateOptions { pid_file: some("/b/init.pid"), ..create() };
    for (line, options) in [
        ("create id", CreateOptions { bundle: ".".into(), ..create() }),
        ("create -b /b id", create()),
        ("create -b=/b id", create()),
        ("create -bundle /b id", create()),
        ("create --b /b id", create()),
        ("create --bundle /a --bundle=/b id", create()),
        ("create id --bundle /b", create()),
        ("create --bundle /b -- id", create()),
        ("create --bundle '' id", CreateOptions { bundle: ".".into(), ..create() }),
        ("create --bundle=-x id", CreateOptions { bundle: "-x".into(), ..create() }),
        ("create --bundle --detach id", CreateOptions { bundle: "--detach".into(), ..create() }),
        // go-runc, for containerd's shim
        (
            "--root /run/containerd/runc/k8s.io --log /b/log.json --log-format json --systemd-cgroup create \
             --bundle /b --pid-file /b/init.pid --console-socket /tmp/pty --pidfd-socket /p --no-pivot \
             --no-new-keyring --detach --preserve-fds 3 id",
            CreateOptions {
                console_socket: some("/tmp/pty"),
                pidfd_socket: some("/p"),
                no_pivot: true,
                no_new_keyring: true,
                preserve_fds: 3,
                ..pid_file()
            },
        ),
        // conmon, for Podman and CRI-O
        (
            "--systemd-cgroup --root=/run/crio --log-format=json --log /c/oci-log create --bundle /b \
             --pid-file /b/init.pid --no-pivot --preserve-fds 2 --console-socket /c/a id",
            CreateOptions { console_socket: some("/c/a"), no_pivot: true, preserve_fds: 2, ..pid_file() },
        ),
        // buildah
        (
            "create --bundle /b --pid-file /b/init.pid --no-new-keyring --preserve-fds 0 id",
            CreateOptions { no_new_keyring: true, ..pid_file() },
        ),
        ("create --dry-run -b /b id", CreateOptions { dry_run: true, ..create() }),
        (
            "create --no-pivot=false --no-new-keyring=T -b /b id",
            CreateOptions { no_new_keyring: true, ..create() },
        ),
        ("create --no-pivot --no-pivot=0 -b /b id", create()),
    ] {
        assert_eq!(CreateOptions::new(&matches(line)), options, "{line}");
    }
}

#[test]
fn run_as_callers_write_it() {
    let run = || RunOptions { create: create(), detach: false, keep: false, no_subreaper: false };
    for (line, options) in [
        ("run -b /b id", run()),
        ("run -d -b /b id", RunOptions { detach: true, ..run() }),
        // buildkit
        (
            "--log /r/runc-log.json --log-format json --rootless=true run --no-pivot --pid-file /p --bundle /b --keep id",
            RunOptions {
                create: CreateOptions { no_pivot: true, pid_file: some("/p"), ..create() },
                keep: true,
                ..run()
            },
        ),
        ("run -no-subreaper -b /b id", RunOptions { no_subreaper: true, ..run() }),
        ("run -no-subreaper=true -b /b id", RunOptions { no_subreaper: true, ..run() }),
    ] {
        assert_eq!(RunOptions::new(&matches(line)), options, "{line}");
    }
}

fn exec(process: ProcessSource) -> ExecOptions {
    ExecOptions {
        id: "id".into(),
        process,
        console_socket: None,
        pidfd_socket: None,
        pid_file: None,
        detach: false,
        preserve_fds: 0,
        cgroups: BTreeMap::new(),
        ignore_paused: false,
    }
}

fn command(args: &str) -> Overrides {
    Overrides { args: args.split_whitespace().map(str::to_owned).collect(), ..Overrides::default() }
}

fn by_flags(overrides: Overrides) -> ProcessSource {
    ProcessSource::Flags(Box::new(overrides))
}

#[test]
fn exec_stops_at_the_id() {
    for (line, overrides) in [
        ("exec id ls -l --tty -h", command("ls -l --tty -h")),
        ("exec -- id ls", command("ls")),
        // As runc: the program is then "--".
        ("exec id -- ls", command("-- ls")),
        ("exec -t id sh", Overrides { terminal: true, ..command("sh") }),
        ("exec --tty=false id sh", command("sh")),
        (
            "exec -e A=1 --env B=2=3 --env=C= -cwd /w -u 7:8 -g 9 --additional-gids=10 id env",
            Overrides {
                env: vec!["A=1".into(), "B=2=3".into(), "C=".into()],
                cwd: Some("/w".into()),
                user: Some(UserFlag { uid: 7, gid: Some(8) }),
                additional_gids: vec![9, 10],
                ..command("env")
            },
        ),
        (
            "exec --user 7 --process-label l --apparmor a --no-new-privs -c CAP_KILL --cap CAP_CHOWN id x",
            Overrides {
                user: Some(UserFlag { uid: 7, gid: None }),
                selinux_label: Some("l".into()),
                apparmor_profile: Some("a".into()),
                no_new_privileges: Some(true),
                capabilities: vec!["CAP_KILL".into(), "CAP_CHOWN".into()],
                ..command("x")
            },
        ),
        ("exec --no-new-privs=false id x", Overrides { no_new_privileges: Some(false), ..command("x") }),
    ] {
        assert_eq!(ExecOptions::new(&matches(line)).unwrap(), exec(by_flags(overrides)), "{line}");
    }
}

#[test]
fn exec_as_callers_write_it() {
    let file = |name: &str| exec(ProcessSource::File(name.into()));
    let cgroups = |all: &[(&str, &str)]| {
        all.iter().map(|(controller, path)| ((*controller).to_owned(), (*path).to_owned())).collect()
    };
    for (line, options) in [
        // go-runc
        (
            "--root /r --log /l --log-format json exec --process /tmp/runc-process1 --console-socket /c \
             --pidfd-socket /p --detach --pid-file /b/e.pid id",
            ExecOptions {
                console_socket: some("/c"),
                pidfd_socket: some("/p"),
                pid_file: some("/b/e.pid"),
                detach: true,
                ..file("/tmp/runc-process1")
            },
        ),
        // conmon
        (
            "--log-format=json --log /c/oci-log exec --pid-file /p --process /s --detach --preserve-fds 2 id",
            ExecOptions { pid_file: some("/p"), detach: true, preserve_fds: 2, ..file("/s") },
        ),
        // buildkit and CRI-O, in the foreground
        ("exec --process /t --pid-file /p id", ExecOptions { pid_file: some("/p"), ..file("/t") }),
        (
            "exec --ignore-paused --cgroup a/b id x",
            ExecOptions {
                ignore_paused: true,
                cgroups: cgroups(&[("", "a/b")]),
                ..exec(by_flags(command("x")))
            },
        ),
        (
            "exec --cgroup memory:m --cgroup=cpu,cpuacct:/c id x",
            ExecOptions {
                cgroups: cgroups(&[("memory", "m"), ("cpu", "/c"), ("cpuacct", "/c")]),
                ..exec(by_flags(command("x")))
            },
        ),
    ] {
        assert_eq!(ExecOptions::new(&matches(line)).unwrap(), options, "{line}");
    }
    for (line, error) in [
        ("exec --user x id sh", "invalid uid \"x\": not a number"),
        ("exec --user 1:-1 id sh", "invalid gid \"-1\": not a number"),
        ("exec -g x id sh", "invalid gid \"x\": not a number"),
        ("exec --cgroup cpu,:x id sh", "invalid --cgroup argument: cpu,:x (empty <controller> prefix)"),
        ("exec --cgroup a:x --cgroup y id sh", "invalid --cgroup argument: y (missing <controller>: prefix)"),
        (
            "exec --cgroup a:x --cgroup b,a:y id sh",
            "invalid --cgroup argument(s): controller a specified multiple times",
        ),
    ] {
        assert_eq!(ExecOptions::new(&matches(line)).unwrap_err().to_string(), error, "{line}");
    }
}

#[test]
fn kill_and_delete_as_callers_write_them() {
    for (line, signal, all) in [
        ("kill id", 15, false),
        ("kill id 9", 9, false),
        ("kill id SIGKILL", 9, false),
        ("kill --all id 9", 9, true),
        ("kill -a id 0", 0, true),
        ("kill id KILL -all", 9, true),
    ] {
        let options = KillOptions { id: "id".into(), signal, all };
        assert_eq!(KillOptions::new(&matches(line)).unwrap(), options, "{line}");
    }
    for (line, force) in [
        ("delete id", false),
        ("delete --force id", true),
        ("delete -f id", true),
        ("delete id -f", true),
        ("delete --force=true id", true),
        ("--systemd-cgroup delete -force=false id", false),
    ] {
        assert_eq!(DeleteOptions::new(&matches(line)), DeleteOptions { id: "id".into(), force }, "{line}");
    }
}

#[test]
fn the_others_as_callers_write_them() {
    let ps = |words: &str, format| PsOptions {
        id: "id".into(),
        format,
        ps: words.split_whitespace().map(str::to_owned).collect(),
    };
    for (line, options) in [
        ("ps id", ps("-ef", Format::Table)),
        ("ps --format json id", ps("-ef", Format::Json)),
        ("ps -f table id aux --format x", ps("aux --format x", Format::Table)),
        ("ps id -o pid,comm", ps("-o pid,comm", Format::Table)),
    ] {
        assert_eq!(PsOptions::new(&matches(line)).unwrap(), options, "{line}");
    }
    for (line, format, quiet) in [
        ("list", Format::Table, false),
        ("list --format=json", Format::Json, false),
        ("list -q", Format::Table, true),
        ("list -quiet=false -f json", Format::Json, false),
    ] {
        let matches = matches(line);
        assert_eq!(
            (Format::new(&matches).unwrap(), flags::is_on(&matches, "quiet")),
            (format, quiet),
            "{line}"
        );
    }
    assert_eq!(Format::new(&matches("list -f xml")).unwrap_err().to_string(), "invalid format option");
    let spec = SpecOptions::new(&matches("spec --rootless -b /b"));
    assert_eq!(spec, SpecOptions { bundle: "/b".into(), rootless: true });
    assert_eq!(ExplainOptions::new(&matches("explain --bundle /b")), ExplainOptions { bundle: "/b".into() });
    assert_eq!(flags::id(&matches("start id")), "id");
    for line in [
        "pause id",
        "resume id",
        "update --resources=- id",
        "update --cpu-quota 5 id",
        "events --stats id",
        "events --interval=5s id",
        "restore --image-path /i --work-path /w --detach --pid-file /p -no-subreaper --bundle /b id",
        "restore --lsm-profile=selinux:x --lsm-mount-context=y --tcp-established id",
        "checkpoint --file-locks --image-path /i --empty-ns network --leave-running --status-fd 3 id",
    ] {
        assert_eq!(flags::id(&matches(line)), "id", "{line}");
    }
}

#[test]
fn global_flags_stand_before_the_command() {
    let global =
        |rootless, systemd_cgroup| Global { root: "/r".into(), root_given: true, systemd_cgroup, rootless };
    for (line, expected) in [
        ("--root /r list", global(None, false)),
        ("-root=/r --debug --debug=false list", global(None, false)),
        ("--root /r/../r/. --systemd-cgroup --rootless auto list", global(None, true)),
        ("--root /r --systemd-cgroup=1 --rootless=true list", global(Some(true), true)),
        ("--root /r --rootless=false list", global(Some(false), false)),
        ("--root /r -- list", global(None, false)),
    ] {
        assert_eq!(global_of(line), expected, "{line}");
    }
    for root in ["--root /", "--root ''", "--root=/..", "--root /a/.."] {
        let error = Global::new(&parse(&format!("{root} list")).unwrap().unwrap().0).unwrap_err();
        assert_eq!(error.to_string(), "Option --root argument should not be set to /", "{root}");
    }
    let format = global::log(&parse("--log-format xml list").unwrap().unwrap().0).unwrap_err();
    assert_eq!(format.to_string(), "invalid log-format: xml");
    let rootless = Global::new(&parse("--rootless maybe list").unwrap().unwrap().0).unwrap_err();
    assert_eq!(rootless.to_string(), "invalid value \"maybe\" for flag -rootless: not a boolean");
}

#[test]
fn what_makes_no_sense_is_said_in_runcs_words() {
    for (line, code, error) in [
        ("nope", 3, "No help topic for 'nope'"),
        ("''", 3, "No help topic for ''"),
        ("--nope list", 1, "flag provided but not defined: -nope"),
        ("--debug=maybe list", 1, "invalid value \"maybe\" for flag -debug: parse error"),
        ("--log", 1, "flag needs an argument: -log"),
        ("state --root /r id", 1, "flag provided but not defined: -root"),
        ("state", 1, "runc: \"state\" requires exactly 1 argument(s)"),
        ("delete", 1, "runc: \"delete\" requires exactly 1 argument(s)"),
        ("create a b", 1, "runc: \"create\" requires exactly 1 argument(s)"),
        ("features x", 1, "runc: \"features\" requires exactly 0 argument(s)"),
        ("list x", 1, "runc: \"list\" requires exactly 0 argument(s)"),
        ("exec", 1, "runc: \"exec\" requires a minimum of 1 argument(s)"),
        ("ps", 1, "runc: \"ps\" requires a minimum of 1 argument(s)"),
        ("kill", 1, "runc: \"kill\" requires a minimum of 1 argument(s)"),
        ("kill a b c", 1, "runc: \"kill\" requires a maximum of 2 argument(s)"),
        ("kill id -9", 1, "flag provided but not defined: -9"),
        ("create ---bundle=/b id", 1, "flag provided but not defined: -bundle"),
        ("exec -preserve-fds=x id sh", 1, "invalid value \"x\" for flag -preserve-fds: parse error"),
        ("exec --preserve-fds -1 id sh", 1, "invalid value \"-1\" for flag -preserve-fds: parse error"),
        ("exec -tty=x id sh", 1, "invalid value \"x\" for flag -tty: parse error"),
        ("exec -e", 1, "flag needs an argument: -env"),
        // Podman asks so whether restore knows the flag.
        ("restore --lsm-mount-context", 1, "flag needs an argument: -lsm-mount-context"),
    ] {
        let failure = parse(line).unwrap_err();
        assert_eq!((failure.code, failure.error.to_string()), (code, error.into()), "{line}");
    }
}

#[test]
fn help_is_everywhere() {
    for line in
        ["", "--", "-h", "--help", "-help", "--root /r", "checkpoint --help", "exec -h x", "state id -h"]
    {
        assert!(parse(line).unwrap().is_none(), "{line}");
    }
    for verb in COMMANDS {
        assert!(parse(&format!("{} --help", verb.name)).unwrap().is_none());
        (verb.command)().debug_assert();
        assert_eq!((verb.command)().get_name(), verb.name);
    }
    assert!(COMMANDS.is_sorted_by_key(|verb| verb.name));
    usage::whole().debug_assert();
}
