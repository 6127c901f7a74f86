// SPDX-License-Identifier: Apache-2.0
//! What a process must have at all; its arguments, environment, and where args[0] may be.

use std::ffi::CString;

use oci_spec::runtime::Process;

use super::{Draft, HookProgram, Options, invalid};
use crate::error::{Error, Result};
use crate::spec::{c_string, list};
use crate::step::{Planned, Program, Step};

/// The kernel takes no single string longer than this (MAX_ARG_STRLEN): exec would say E2BIG.
const LONGEST: usize = 128 << 10;

pub(super) fn checked<'p>(process: Option<&'p Process>, place: &str) -> Result<&'p Process> {
    let process = process.ok_or_else(|| invalid(place, "process property must not be empty"))?;
    if process.cwd().as_os_str().is_empty() {
        return Err(invalid(format!("{place}/cwd"), "Cwd property must not be empty"));
    }
    if !process.cwd().is_absolute() {
        return Err(invalid(format!("{place}/cwd"), "Cwd must be an absolute path"));
    }
    match list(process.args()) {
        [] => Err(invalid(format!("{place}/args"), "args must not be empty")),
        [first, ..] if first.is_empty() => {
            Err(invalid(format!("{place}/args/0"), "args[0] must not be empty"))
        }
        _ => Ok(process),
    }
}

pub(super) fn working_directory(process: &Process) -> Result<CString> {
    c_string(process.cwd(), || "/process/cwd".into())
}

/// Arguments, environment and the steps that look for HOME and args[0]; those stand before `Ready`,
/// which ends the list, so they are put in their place here.
pub(super) fn environment(draft: &mut Draft, process: &Process, options: &Options<'_>) -> Result<()> {
    let path = set_environment(draft, process, options)?;
    for (i, arg) in list(process.args()).iter().enumerate() {
        draft.plan.args.push(short(arg, || format!("/process/args/{i}"))?);
    }
    let program = program(&list(process.args())[0], path.as_deref())?;
    find_program(draft, program, "/process/args/0");
    Ok(())
}

/// A hook's; one without an environment has the process's (runc's HookList.SetDefaultEnv).
pub(super) fn of_hook(
    draft: &mut Draft,
    hook: &HookProgram,
    process: &Process,
    options: &Options<'_>,
) -> Result<()> {
    if hook.env.is_empty() {
        set_environment(draft, process, options)?;
    } else {
        draft.plan.env.clone_from(&hook.env);
    }
    draft.plan.args.clone_from(&hook.args);
    let path = format!("{}/path", hook.place);
    if let Some(execute) = draft.plan.steps.last_mut() {
        execute.place.clone_from(&path);
    }
    find_program(draft, Program { candidates: vec![hook.path.clone()], searched: false }, &path);
    Ok(())
}

/// What PATH is in it.
fn set_environment(draft: &mut Draft, process: &Process, options: &Options<'_>) -> Result<Option<String>> {
    let env = variables(process, options)?;
    let home = env.iter().rposition(|(_, v)| v.starts_with("HOME="));
    for (i, variable) in &env {
        draft.plan.env.push(short(variable, || format!("/process/env/{i}"))?);
    }
    if home.is_none_or(|i| env[i].1 == "HOME=") {
        draft.plan.home = Some(home.unwrap_or(draft.plan.env.len()));
        if home.is_none() {
            draft.plan.env.push(c"HOME=/".to_owned());
        }
        let at = position(draft, |step| matches!(step, Step::WorkingDirectory { last: false, .. }));
        insert(draft, at, Step::FindHome { uid: process.user().uid() }, "/process/env");
    }
    Ok(env.into_iter().rev().find_map(|(_, v)| v.strip_prefix("PATH=").map(str::to_owned)))
}

fn find_program(draft: &mut Draft, program: Program, place: &str) {
    let at = position(draft, |step| matches!(step, Step::WorkingDirectory { last: true, .. })) + 1;
    insert(draft, at, Step::FindProgram(program), place);
}

fn insert(draft: &mut Draft, at: usize, step: Step, place: &str) {
    draft.plan.steps.insert(at, Planned { step, place: place.to_owned() });
}

fn position(draft: &Draft, is: impl Fn(&Step) -> bool) -> usize {
    draft.plan.steps.iter().position(|planned| is(&planned.step)).unwrap_or(draft.plan.steps.len())
}

/// Each with its place in config.json. Of a name that is there twice the last stays, as in runc and Docker.
fn variables(process: &Process, options: &Options<'_>) -> Result<Vec<(usize, String)>> {
    let mut env: Vec<(usize, String)> = Vec::new();
    let mut names = std::collections::BTreeMap::new();
    for (i, variable) in list(process.env()).iter().enumerate() {
        let name = match variable.split_once('=') {
            Some((name, _)) if !name.is_empty() => name,
            _ => {
                let what = format!("invalid environment variable {variable:?}: it must be NAME=value");
                return Err(invalid(format!("/process/env/{i}"), what));
            }
        };
        if let Some(earlier) = names.insert(name.to_owned(), env.len()) {
            env[earlier].1.clear();
        }
        env.push((i, variable.clone()));
    }
    env.retain(|(_, variable)| !variable.is_empty());
    let mut add = |variable| env.push((env.len(), variable));
    if let Some((count, names)) = &options.listen_fds {
        add(format!("LISTEN_FDS={count}"));
        add("LISTEN_PID=1".into());
        names.iter().for_each(|names| add(format!("LISTEN_FDNAMES={names}")));
    }
    if options.notify_dir.is_some() {
        add("NOTIFY_SOCKET=/run/notify/notify.sock".into());
    }
    Ok(env)
}

fn short(text: &str, place: impl Fn() -> String) -> Result<CString> {
    if text.len() >= LONGEST {
        let what = format!("a string of {} bytes: the kernel takes {} at most", text.len(), LONGEST - 1);
        return Err(Error::new(what).at(place()));
    }
    c_string(text, place)
}

/// With a slash the path as it is, else each directory of PATH; an empty one is the working directory.
fn program(name: &str, path: Option<&str>) -> Result<Program> {
    let at = || "/process/args/0".to_owned();
    if name.contains('/') {
        return Ok(Program { candidates: vec![c_string(name, at)?], searched: false });
    }
    let dirs = path.unwrap_or_default().split(':');
    let candidates =
        dirs.map(|dir| if dir.is_empty() { format!("./{name}") } else { format!("{dir}/{name}") });
    let candidates = match path {
        Some(_) => candidates.map(|c| c_string(c, at)).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    Ok(Program { candidates, searched: true })
}
