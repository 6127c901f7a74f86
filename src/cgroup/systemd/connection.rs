// SPDX-License-Identifier: Apache-2.0
//! A connection to a systemd: one socket, no thread, and a deadline on whatever is awaited.
//!
//! The manager's own socket first: root (or the user) speaks to it without a bus daemon between, and it
//! sends every signal unasked. Else the D-Bus of the machine, or of the user.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::wire::{self, Kind, Message, Method};
use crate::error::{Error, Result};
use crate::host::systemd::Bus;
use crate::sys::fs::CWD;
use crate::sys::{self, Errno};

/// How long it may say nothing at all, and how long an answer may take while it speaks to others: fifty
/// containers at once on a slow machine wait for each other.
const SILENCE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a systemd may take that executes itself anew, as `systemctl daemon-reexec` and upgrades make it: nobody
/// listens meanwhile, and who was connected is no more.
pub(super) const ANEW: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const SYSTEMD: &str = "org.freedesktop.systemd1";
const ROOT: &str = "/org/freedesktop/systemd1";

pub(super) struct Connection {
    socket: OwnedFd,
    received: Vec<u8>,
    serial: u32,
    heard: Instant,
    /// Jobs that have ended: their path and result.
    ended: Vec<(String, String)>,
    /// The other side has closed it.
    lost: bool,
}

/// How a call went.
pub(super) enum Answer {
    Return(Message),
    /// D-Bus's name for the error, and words.
    Error(String, String),
}

pub(super) enum Failed {
    /// Nobody listens there: as it is where systemd does not run.
    Absent(Error),
    /// Somebody did, and was gone before we had been let in.
    Lost(Error),
    Error(Error),
}

impl Failed {
    pub(super) fn error(self) -> Error {
        match self {
            Failed::Absent(error) | Failed::Lost(error) | Failed::Error(error) => error,
        }
    }
}

impl Connection {
    pub(super) fn open(bus: Bus) -> std::result::Result<Connection, Failed> {
        let begin = Instant::now();
        loop {
            let may_come = begin.elapsed() < ANEW && is_there(bus);
            match Connection::attempt(bus, may_come) {
                Err(Failed::Absent(_) | Failed::Lost(_)) if may_come => std::thread::sleep(PAUSE),
                result => return result,
            }
        }
    }

    /// `may_come`: then a manager whose socket nobody listens on is not asked for over the bus, which it has left too.
    fn attempt(bus: Bus, may_come: bool) -> std::result::Result<Connection, Failed> {
        let (direct, daemon) = addresses(bus);
        let mut refused = Errno::ENOENT;
        for (path, is_daemon) in [(direct, false), (daemon, true)] {
            let Some(path) = path else { continue };
            match connect(&path) {
                Ok(socket) => return Connection::greeted(socket, is_daemon),
                Err(errno) => refused = errno,
            }
            if may_come && refused == Errno::ECONNREFUSED {
                break;
            }
        }
        let whose = if bus == Bus::System { "systemd" } else { "the user's systemd" };
        let error = Error::sys(format!("unable to connect to {whose}"), refused);
        let hint = match bus {
            Bus::System => "without --systemd-cgroup the cgroups are made directly",
            Bus::User => {
                "a login session, or `loginctl enable-linger`, starts it; XDG_RUNTIME_DIR must be set"
            }
        };
        match refused {
            Errno::ENOENT | Errno::ECONNREFUSED => Err(Failed::Absent(error.hint(hint))),
            _ => Err(Failed::Error(error.hint(hint))),
        }
    }

    fn greeted(socket: OwnedFd, is_daemon: bool) -> std::result::Result<Connection, Failed> {
        let mut this = Connection {
            socket,
            received: Vec::new(),
            serial: 0,
            heard: Instant::now(),
            ended: Vec::new(),
            lost: false,
        };
        match this.greet(is_daemon) {
            Ok(()) => Ok(this),
            Err(error) if this.lost => Err(Failed::Lost(error)),
            Err(error) => Err(Failed::Error(error)),
        }
    }

    /// Authentication, and on a bus the first words, are sent at once: what is answered is read later.
    fn greet(&mut self, is_daemon: bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // In a user namespace our id is not the one that the other side sees: it shall take the socket's.
        let inside = crate::host::user::in_user_namespace()?;
        let id: String = sys::cred::effective_uid().to_string().bytes().map(|b| format!("{b:02x}")).collect();
        let begin = if inside {
            "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n".to_owned()
        } else {
            format!("\0AUTH EXTERNAL {id}\r\nBEGIN\r\n")
        };
        let mut bytes = begin.into_bytes();
        if is_daemon {
            let bus = |member| Method {
                destination: "org.freedesktop.DBus",
                path: "/org/freedesktop/DBus",
                interface: "org.freedesktop.DBus",
                member,
            };
            let mut rule = wire::Writer::default();
            rule.text("type='signal',sender='org.freedesktop.systemd1',member='JobRemoved'");
            bytes.extend(wire::call(self.next(), &bus("Hello"), "", &[]));
            bytes.extend(wire::call(self.next(), &bus("AddMatch"), "s", &rule.bytes));
            bytes.extend(wire::call(self.next(), &manager("Subscribe"), "", &[]));
        }
        self.send(&bytes, deadline)?;
        loop {
            let line = self.received.windows(2).position(|end| end == b"\r\n");
            let Some(end) = line else {
                self.receive(deadline)?;
                continue;
            };
            let line: Vec<u8> = self.received.drain(..end + 2).collect();
            match &line[..end] {
                b"DATA" => {}
                line if line.starts_with(b"OK ") => return Ok(()),
                _ => return Err(unable().because("it does not accept who we are")),
            }
        }
    }

    fn next(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    /// Calls a method of the manager.
    pub(super) fn call(&mut self, member: &str, signature: &str, arguments: wire::Writer) -> Result<Answer> {
        self.call_method(&manager(member), signature, &arguments)
    }

    /// A property that is a text.
    pub(super) fn property(&mut self, path: &str, interface: &str, name: &str) -> Result<String> {
        let mut arguments = wire::Writer::default();
        arguments.text(interface);
        arguments.text(name);
        let interface = "org.freedesktop.DBus.Properties";
        let method = Method { destination: SYSTEMD, path, interface, member: "Get" };
        match self.call_method(&method, "ss", &arguments)? {
            Answer::Return(message) => message
                .texts("v")
                .and_then(|texts| texts.first().map(|text| (*text).to_owned()))
                .ok_or_else(|| unable().because(format!("its property {name} is no text"))),
            Answer::Error(_, text) => Err(unable().because(text)),
        }
    }

    pub(super) fn manager_property(&mut self, name: &str) -> Result<String> {
        self.property(ROOT, MANAGER, name)
    }

    fn call_method(
        &mut self,
        method: &Method<'_>,
        signature: &str,
        arguments: &wire::Writer,
    ) -> Result<Answer> {
        let deadline = Instant::now() + PATIENCE;
        let serial = self.next();
        self.send(&wire::call(serial, method, signature, &arguments.bytes), deadline)?;
        loop {
            let message = self.message(deadline)?;
            if message.reply_to != Some(serial) {
                continue;
            }
            return Ok(match message.kind {
                Kind::Error => {
                    let text =
                        message.texts("s").and_then(|texts| texts.first().map(|text| (*text).to_owned()));
                    let text = text.unwrap_or_default();
                    if has_left_the_bus(&message.error) {
                        self.lost = true;
                        return Err(unable().because(text));
                    }
                    Answer::Error(message.error, text)
                }
                _ => Answer::Return(message),
            });
        }
    }

    /// How the job ended: "done", or why not.
    pub(super) fn wait(&mut self, job: &str) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.ended.iter().position(|(path, _)| path == job) {
                return Ok(self.ended.swap_remove(at).1);
            }
            self.message(deadline)?;
        }
    }

    /// The next message; what it says of a job is kept.
    fn message(&mut self, deadline: Instant) -> Result<Message> {
        let broken = |why: &str| unable().because(why);
        loop {
            let length = wire::length(&self.received).transpose().map_err(broken)?;
            if let Some(length) = length.filter(|length| self.received.len() >= *length) {
                let bytes: Vec<u8> = self.received.drain(..length).collect();
                let message = wire::parse(&bytes).ok_or_else(|| broken("it sends broken messages"))?;
                self.note(&message);
                return Ok(message);
            }
            self.receive(deadline)?;
        }
    }

    fn note(&mut self, message: &Message) {
        if (message.kind, message.member.as_str()) == (Kind::Signal, "JobRemoved")
            && let Some([job, _unit, result]) = message.texts("uoss").as_deref()
        {
            self.ended.push(((*job).to_owned(), (*result).to_owned()));
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<()> {
        await_ready(&self.socket, false, deadline.min(self.heard + SILENCE))?;
        let mut page = [0u8; 8192];
        match sys::fs::read(self.socket.as_fd(), &mut page) {
            Ok(0) | Err(Errno::ECONNRESET) => Err(self.closed()),
            Ok(n) => {
                self.heard = Instant::now();
                self.received.extend_from_slice(&page[..n]);
                Ok(())
            }
            Err(Errno::EAGAIN) => Ok(()),
            Err(errno) => Err(Error::sys("unable to hear from systemd", errno)),
        }
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<()> {
        self.heard = Instant::now();
        while !bytes.is_empty() {
            match sys::socket::send_some(self.socket.as_fd(), bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::EAGAIN) => await_ready(&self.socket, true, deadline)?,
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(self.closed()),
                Err(errno) => return Err(Error::sys("unable to speak to systemd", errno)),
            }
        }
        Ok(())
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    fn closed(&mut self) -> Error {
        self.lost = true;
        unable().because("it has closed the connection: it may be starting anew")
    }
}

/// The bus daemon's own words, for one who executes itself anew.
fn has_left_the_bus(error: &str) -> bool {
    let name = error.strip_prefix("org.freedesktop.DBus.Error.").unwrap_or_default();
    matches!(name, "NoReply" | "ServiceUnknown" | "NameHasNoOwner" | "Disconnected")
        || name.starts_with("Spawn.")
}

fn unable() -> Error {
    Error::new("unable to speak to systemd")
}

fn manager(member: &str) -> Method<'_> {
    Method { destination: SYSTEMD, path: ROOT, interface: MANAGER, member }
}

fn await_ready(socket: &OwnedFd, to_write: bool, deadline: Instant) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(unable().because("it does not answer"));
    }
    let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1);
    match sys::signal::poll([Some(socket.as_fd())], [to_write], millis) {
        Ok(_) => Ok(()),
        Err(errno) => Err(Error::sys("unable to wait for systemd", errno)),
    }
}

/// While its queue of connections is full there is nothing to wait on.
fn connect(path: &CString) -> sys::Result<OwnedFd> {
    let deadline = Instant::now() + SILENCE;
    loop {
        match sys::socket::connect_at_once(path) {
            Err(Errno::EAGAIN) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
}

/// sd_booted(3), and the same of a user's: its directory is there, whether or not its socket is.
fn is_there(bus: Bus) -> bool {
    let dir = match bus {
        Bus::System => Some("/run/systemd/system".to_owned()),
        Bus::User => variable("XDG_RUNTIME_DIR").map(|dir| format!("{dir}/systemd")),
    };
    let dir = dir.and_then(|dir| CString::new(dir).ok());
    dir.is_some_and(|dir| sys::fs::statat(CWD, &dir).is_ok())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The manager's own socket and the bus daemon's.
fn addresses(bus: Bus) -> (Option<CString>, Option<CString>) {
    let path = |path: String| CString::new(path).ok();
    if bus == Bus::System {
        return (path("/run/systemd/private".into()), path("/run/dbus/system_bus_socket".into()));
    }
    let runtime = variable("XDG_RUNTIME_DIR");
    let named = variable("DBUS_SESSION_BUS_ADDRESS").and_then(|address| socket_path(&address));
    let daemon = named.or_else(|| runtime.as_ref().map(|dir| format!("{dir}/bus")));
    (runtime.and_then(|dir| path(format!("{dir}/systemd/private"))), daemon.and_then(path))
}

/// Of the addresses "unix:path=/run/user/1000/bus,guid=...;..." the first that is a path.
fn socket_path(addresses: &str) -> Option<String> {
    addresses.split(';').find_map(|address| {
        let keys = address.strip_prefix("unix:")?;
        keys.split(',').find_map(|key| key.strip_prefix("path=")).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::socket_path;

    #[test]
    fn the_socket_of_a_bus_address() {
        let path = |address| socket_path(address);
        assert_eq!(path("unix:path=/run/user/1/bus").as_deref(), Some("/run/user/1/bus"));
        assert_eq!(path("tcp:host=x;unix:guid=1,path=/b").as_deref(), Some("/b"));
        assert_eq!(path("unix:abstract=/tmp/x"), None);
    }
}
