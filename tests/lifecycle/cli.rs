// SPDX-License-Identifier: Apache-2.0
//! What callers rely on of the parser.
use crate::harness::Container;

#[test]
fn without_arguments_it_helps() {
    let c = Container::new();
    let mut bare = std::process::Command::new(crate::harness::runtime());
    bare.current_dir(c.bundle());
    let out = crate::harness::finish(bare).ok().stdout();
    assert!(out.contains("create") && out.contains("--root"), "{out}");
    for flag in ["--help", "-h", "help"] {
        assert!(c.cmd(&[flag]).ok().stdout().contains("create"), "{flag}");
    }
}

#[test]
fn every_command_helps() {
    let c = Container::new();
    let name = crate::harness::runtime();
    let name = name.rsplit('/').next().unwrap();
    let begins = |args: &[&str], title: &str| {
        let help = c.cmd(args).ok().stdout();
        assert!(help.starts_with(&format!("NAME:\n   {title} - ")), "{args:?}: {help}");
    };
    begins(&["--help"], name);
    let commands = "create delete exec features kill list pause ps resume run spec start state";
    for command in commands.split(' ') {
        begins(&[command, "--help"], &format!("{name} {command}"));
        begins(&[command, "-h"], &format!("{name} {command}"));
    }
}

#[test]
fn unknown_command_is_3() {
    Container::new().cmd(&["nosuch"]).fails(3, "nosuch");
}

#[test]
fn unknown_flag_is_1() {
    let c = Container::new();
    c.cmd(&["--nosuch", "list"]).fails(1, "nosuch");
    c.cmd(&["delete", "--nosuch", &c.id]).fails(1, "flag provided but not defined: -nosuch");
}

#[test]
fn number_of_arguments() {
    let c = Container::new();
    for command in ["create", "delete", "pause", "resume", "run", "start", "state"] {
        c.cmd(&[command]).fails(1, &format!("\"{command}\" requires exactly 1 argument(s)"));
        c.cmd(&[command, "a", "b"]).fails(1, &format!("\"{command}\" requires exactly 1 argument(s)"));
    }
    c.cmd(&["kill"]).fails(1, "\"kill\" requires a minimum of 1 argument");
    c.cmd(&["list", "x"]).fails(1, "\"list\" requires exactly 0 argument(s)");
    c.cmd(&["exec"]).fails(1, "\"exec\" requires a minimum of 1 argument");
}

#[test]
fn long_flags_take_one_dash_or_two_a_blank_or_an_equals_sign() {
    let c = Container::new();
    let bundle = c.bundle().to_str().unwrap();
    for flags in [
        vec!["--bundle", bundle, "--pid-file", "pid"],
        vec!["-bundle", bundle, "-pid-file", "pid"],
        vec![&format!("--bundle={bundle}"), "--pid-file=pid"],
        vec![&format!("-bundle={bundle}"), "-pid-file=pid"],
        vec!["-b", bundle, "--no-new-keyring", "-no-pivot=false"],
        vec!["-no-new-keyring=true"],
    ] {
        c.create(&flags).ok();
        c.delete(&[]).ok();
    }
    c.run(&["-no-subreaper", "-d"]).ok();
}

#[test]
fn flag_without_its_value() {
    let c = Container::new();
    c.cmd(&["create", "--bundle"]).fails(1, "flag needs an argument");
    c.cmd(&["--root"]).fails(1, "flag needs an argument");
}

#[test]
fn value_that_is_no_number() {
    let c = Container::new();
    c.create(&["--preserve-fds", "x"]).fails(1, "preserve-fds");
}

/// podman looks for checkpoint support by these two.
#[test]
fn probes_of_podman() {
    let c = Container::new();
    c.cmd(&["checkpoint", "--help"]).ok();
    c.cmd(&["restore", "--lsm-mount-context"]).fails(1, "flag needs an argument");
}

#[test]
fn rootless_flag_takes_three_values() {
    let c = Container::new();
    for value in ["true", "false", "auto"] {
        c.cmd(&["--rootless", value, "run", &c.id]).ok();
    }
    c.cmd(&["--rootless", "maybe", "run", &c.id]).code(1);
}

/// go-runc passes all of them, in this order.
#[test]
fn global_flags() {
    let c = Container::new();
    let flags = ["--debug", "--log", "log", "--log-format", "json", "--rootless=false", "state", "nosuch"];
    c.cmd(&flags).fails(1, "container does not exist");
}
