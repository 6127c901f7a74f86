// SPDX-License-Identifier: Apache-2.0
//! A container's unit: started around init, stopped, told of new limits, by calls to systemd's manager.
//!
//! Runs in the parent. What is asked for was decided in plan/cgroup; here it is only sent, and the outcome
//! awaited, never for longer than a deadline. May name: plan, host, sys, error.

mod connection;
mod wire;

#[cfg(fuzzing)]
pub use wire::fuzz;

use std::time::{Duration, Instant};

use connection::{ANEW, Answer, Connection, Failed};
use wire::Writer;

use crate::error::{Error, Result};
use crate::host::systemd::{Bus, Manager, Unit, cgroup_of_user_manager};
use crate::plan::cgroup::variant::Value;
use crate::plan::cgroup::{Kind, Property, UnitPlan};

/// How long a unit that has ended may take to be forgotten.
const END: Duration = Duration::from_secs(2);

/// What a plan has to know of the caller's systemd. `own`: the caller's cgroup.
pub fn manager(bus: Bus, own: &str) -> Result<Manager> {
    let cgroup = match bus {
        Bus::System => String::new(),
        Bus::User => match cgroup_of_user_manager(own) {
            Some(cgroup) => cgroup,
            None => {
                ask(bus, |connection| connection.manager_property("ControlGroup")).map_err(Failed::error)?
            }
        },
    };
    Ok(Manager { bus, cgroup })
}

/// What came of a start.
pub(super) enum Started {
    Ours,
    /// There is a unit of this name already, and it is left alone.
    Another(Error),
    /// There is one now: ours, unless it was there when systemd was asked first, and gone before it answered.
    Perhaps(Error),
}

/// Asks of a manager what may be asked twice: again where it has executed itself anew before it could answer.
fn ask<T>(
    bus: Bus,
    mut question: impl FnMut(&mut Connection) -> Result<T>,
) -> std::result::Result<T, Failed> {
    let begin = Instant::now();
    let mut connection = Connection::open(bus)?;
    let mut answer = question(&mut connection);
    while answer.is_err() && connection.is_lost() && begin.elapsed() < ANEW {
        std::thread::sleep(Duration::from_millis(50));
        let Ok(anew) = Connection::open(bus) else { break };
        connection = anew;
        answer = question(&mut connection);
    }
    answer.map_err(Failed::Error)
}

/// Starts the unit around a process.
///
/// # Errors
/// Then the unit may be there all the same: it is the caller's to stop it.
pub(super) fn start(plan: &UnitPlan, limits: &[Property], pid: i32) -> Result<Started> {
    let mut asked = false;
    let started = ask(plan.unit.bus, |connection| match start_by(connection, plan, limits, pid) {
        Ok(Started::Another(error)) if asked => Ok(Started::Perhaps(error)),
        started => {
            asked = true;
            started
        }
    });
    started.map_err(Failed::error)
}

fn start_by(connection: &mut Connection, plan: &UnitPlan, limits: &[Property], pid: i32) -> Result<Started> {
    let pids =
        Property { name: "PIDs".to_owned(), value: Value::Numbers(vec![pid.unsigned_abs()]), since: 0 };
    let pids = Some(&pids).filter(|_| plan.kind == Kind::Scope);
    let mut properties: Vec<&Property> = plan.properties.iter().chain(pids).chain(limits).collect();
    let unable =
        |why: String| Error::new(format!("unable to start the unit {}", plan.unit.name)).because(why);
    let deadline = Instant::now() + END;
    loop {
        let mut arguments = Writer::default();
        arguments.text(&plan.unit.name);
        arguments.text("replace");
        arguments.properties(properties.iter().copied());
        arguments.array(8, |_| {});
        match connection.call("StartTransientUnit", "ssa(sv)a(sa(sv))", arguments)? {
            Answer::Return(message) => {
                let job = message.texts("o").and_then(|texts| texts.first().map(|job| (*job).to_owned()));
                return finish(connection, &plan.unit, "start", job).map(|()| Started::Ours);
            }
            Answer::Error(name, text) if name.ends_with(".UnitExists") => {
                if Instant::now() >= deadline || is_alive(connection, &plan.unit)? {
                    let error = unable(text).hint("linux.cgroupsPath names a unit that is another's");
                    return Ok(Started::Another(error));
                }
                // One that has ended goes away by itself in a moment; if it failed, by this.
                reset_failed(connection, &plan.unit)?;
                std::thread::sleep(Duration::from_millis(10));
            }
            Answer::Error(_, text) => {
                if !drop_unknown(connection, &mut properties)? {
                    return Err(unable(text));
                }
            }
        }
    }
}

/// The end of a job that has just been given.
fn finish(connection: &mut Connection, unit: &Unit, verb: &str, job: Option<String>) -> Result<()> {
    let unable = || Error::new(format!("unable to {verb} the unit {}", unit.name));
    let job = job.ok_or_else(|| unable().because("systemd tells of no job"))?;
    match connection.wait(&job)?.as_str() {
        "done" => Ok(()),
        result => Err(unable().because(format!("its job ended with {result:?}"))),
    }
}

/// Leaves out what this systemd does not know: the file that is written as well has it. True if something
/// was. To be called after an error, so that the usual call is the only one.
fn drop_unknown(connection: &mut Connection, properties: &mut Vec<&Property>) -> Result<bool> {
    if properties.iter().all(|property| property.since == 0) {
        return Ok(false);
    }
    let text = connection.manager_property("Version")?;
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let digits = digits.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let version: u32 = digits.parse().unwrap_or(0);
    let before = properties.len();
    properties.retain(|property| property.since <= version);
    Ok(properties.len() < before)
}

/// Stops the unit if its cgroup is the one that was recorded: the name alone could be another's.
/// Without a systemd there is none to stop.
pub(super) fn stop(unit: &Unit, cgroup: &str) -> Result<()> {
    match ask(unit.bus, |connection| stop_by(connection, unit, cgroup)) {
        Err(Failed::Absent(_)) => Ok(()),
        stopped => stopped.map_err(Failed::error),
    }
}

fn stop_by(connection: &mut Connection, unit: &Unit, cgroup: &str) -> Result<()> {
    let interface = if unit.name.ends_with(".slice") { "Slice" } else { "Scope" };
    let interface = format!("org.freedesktop.systemd1.{interface}");
    let held = match connection.property(&object(&unit.name), &interface, "ControlGroup") {
        Err(error) if connection.is_lost() => return Err(error),
        held => held.unwrap_or_default(),
    };
    if held.trim_matches('/') != cgroup.trim_matches('/') {
        return Ok(());
    }
    let mut arguments = Writer::default();
    arguments.text(&unit.name);
    arguments.text("replace");
    match connection.call("StopUnit", "ss", arguments)? {
        Answer::Return(message) => {
            let job = message.texts("o").and_then(|texts| texts.first().map(|job| (*job).to_owned()));
            finish(connection, unit, "stop", job)?;
            reset_failed(connection, unit)
        }
        Answer::Error(name, _) if name.ends_with(".NoSuchUnit") => Ok(()),
        Answer::Error(_, text) => {
            Err(Error::new(format!("unable to stop the unit {}", unit.name)).because(text))
        }
    }
}

fn is_alive(connection: &mut Connection, unit: &Unit) -> Result<bool> {
    match connection.property(&object(&unit.name), "org.freedesktop.systemd1.Unit", "ActiveState") {
        Err(error) if connection.is_lost() => Err(error),
        state => Ok(state.is_ok_and(|state| !matches!(&*state, "inactive" | "failed" | "deactivating"))),
    }
}

/// One that is not there, or has not failed, is no error.
fn reset_failed(connection: &mut Connection, unit: &Unit) -> Result<()> {
    let mut arguments = Writer::default();
    arguments.text(&unit.name);
    connection.call("ResetFailedUnit", "s", arguments).map(drop)
}

/// For an update.
pub(super) fn set(unit: &Unit, limits: &[Property]) -> Result<()> {
    // A user's manager has no right to filter devices.
    let fits = |property: &&Property| unit.bus == Bus::System || !property.is_of_devices();
    let mut properties: Vec<&Property> = limits.iter().filter(fits).collect();
    if properties.is_empty() {
        return Ok(());
    }
    let asked = ask(unit.bus, |connection| {
        loop {
            let mut arguments = Writer::default();
            arguments.text(&unit.name);
            arguments.bool(true);
            arguments.properties(properties.iter().copied());
            let text = match connection.call("SetUnitProperties", "sba(sv)", arguments)? {
                // It answers first and writes then, but before it hears another call (manager_loop): what we write
                // after this one stays.
                Answer::Return(_) => return connection.manager_property("Version").map(drop),
                Answer::Error(_, text) => text,
            };
            if !drop_unknown(connection, &mut properties)? {
                let error = Error::new(format!("unable to set the limits of the unit {}", unit.name));
                return Err(error.because(text));
            }
        }
    });
    asked.map_err(Failed::error)
}

/// Moves a process into the unit's cgroup, or one below it: for who may not write there from where it is.
pub(super) fn attach(unit: &Unit, below: &str, pid: i32) -> Result<()> {
    let asked = ask(unit.bus, |connection| {
        let mut arguments = Writer::default();
        arguments.text(&unit.name);
        arguments.text(below);
        arguments.array(4, |out| out.u32(pid.unsigned_abs()));
        match connection.call("AttachProcessesToUnit", "ssau", arguments)? {
            Answer::Return(_) => Ok(()),
            Answer::Error(_, text) => {
                let error = format!("unable to move a process into the unit {}", unit.name);
                Err(Error::new(error).because(text))
            }
        }
    });
    asked.map_err(Failed::error)
}

/// A unit's object: whatever is no letter or digit is escaped (sd_bus_path_encode).
fn object(name: &str) -> String {
    let mut path = "/org/freedesktop/systemd1/unit/".to_owned();
    for (i, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (i > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            path += &format!("_{byte:02x}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn the_object_of_a_unit() {
        assert_eq!(object("tare-1.scope"), "/org/freedesktop/systemd1/unit/tare_2d1_2escope");
        assert_eq!(object("1a.scope"), "/org/freedesktop/systemd1/unit/_31a_2escope");
    }
}
