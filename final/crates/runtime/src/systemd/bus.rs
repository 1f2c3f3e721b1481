//! A connection to systemd, for one call at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::wire::{self, Message, Method, Writer};
use super::{Error, Result, is_machines};

/// The timeout for an answer of systemd. Starting a scope takes milliseconds.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

const SYSTEMD: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// Whether to call the systemd of the machine or that of the user.
#[derive(Debug)]
pub struct Manager {
    stream: BufReader<UnixStream>,
    serial: u32,
    /// Jobs that have ended, with their results.
    ended: Vec<(String, String)>,
}

impl Manager {
    /// Connects to systemd's own socket if that is permitted, and otherwise through the bus.
    pub fn connect() -> Result<Self> {
        let mut tried = Vec::new();
        for Address { path, is_bus } in addresses() {
            match Self::connect_to(&path, is_bus) {
                Ok(manager) => return Ok(manager),
                Err(error) => tried.push(format!("{path}: {error}")),
            }
        }
        if tried.is_empty() {
            tried.push("XDG_RUNTIME_DIR does not say where this user's is".into());
        }
        Err(Error::NoManager(tried.join("; ")))
    }

    fn connect_to(path: &str, is_bus: bool) -> Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut manager = Self { stream: BufReader::new(stream), serial: 0, ended: Vec::new() };
        manager.authenticate()?;
        if is_bus {
            manager.join_bus()?;
        }
        Ok(manager)
    }

    /// Authenticates with SASL's EXTERNAL: systemd gets the user from the kernel (unix(7), `SO_PEERCRED`). No uid is
    /// sent, because in a user namespace it differs from the uid that systemd sees. All lines are sent at once, and the
    /// answers are read before the first call: systemd does not handle a call that it reads together with `BEGIN` until
    /// more data arrives.
    fn authenticate(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        let (asked, answer) = (self.line()?, self.line()?);
        if !asked.starts_with("DATA") || !answer.starts_with("OK ") {
            return Err(Error::Unknown(format!("it refuses the connection: {asked} {answer}")));
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        // The limit is longer than any answer, so that a line without an end is an error.
        (&mut self.stream).take(512).read_until(b'\n', &mut line)?;
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Registers with the bus, and subscribes to the signals about jobs, which systemd sends only on request.
    fn join_bus(&mut self) -> Result<()> {
        let bus = |name| Method {
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            name,
        };
        self.call(bus("Hello"), "", Writer::default())?;
        let mut rule = Writer::default();
        rule.text(&format!("type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='JobRemoved'"));
        self.call(bus("AddMatch"), "s", rule)?;
        self.ask("Subscribe", "", Writer::default()).map(drop)
    }

    /// Calls a method of the manager.
    pub fn ask(&mut self, name: &str, signature: &str, body: Writer) -> Result<Message> {
        let method = Method { destination: SYSTEMD, path: OBJECT, interface: MANAGER, name };
        self.call(method, signature, body)
    }

    /// Reads a property of the manager that is a string.
    pub fn property(&mut self, name: &str) -> Result<String> {
        let mut body = Writer::default();
        body.text(MANAGER);
        body.text(name);
        let interface = "org.freedesktop.DBus.Properties";
        let method = Method { destination: SYSTEMD, path: OBJECT, interface, name: "Get" };
        let reply = self.call(method, "ss", body)?;
        reply.body().variant_text().ok_or_else(|| Error::Unknown(format!("no text for {name}")))
    }

    /// Calls a method that starts a job, waits for the end of the job, and returns its result.
    pub fn job(&mut self, name: &str, signature: &str, body: Writer) -> Result<String> {
        let reply = self.ask(name, signature, body)?;
        let job = reply.body().text().ok_or_else(|| Error::Unknown(format!("no job for {name}")))?;
        loop {
            if let Some((_, result)) = self.ended.iter().find(|(ended, _)| *ended == job) {
                return Ok(result.clone());
            }
            self.receive()?;
        }
    }

    fn call(&mut self, method: Method<'_>, signature: &str, body: Writer) -> Result<Message> {
        self.serial += 1;
        let serial = self.serial;
        self.stream.get_mut().write_all(&wire::call(method, serial, signature, body))?;
        loop {
            let message = self.receive()?;
            match message.kind {
                wire::REPLY if message.reply_to == serial => return Ok(message),
                wire::ERROR if message.reply_to == serial => {
                    return Err(Error::Refused {
                        call: method.name.to_owned(),
                        why: message.body().text().unwrap_or_default(),
                        name: message.error,
                    });
                }
                _ => {}
            }
        }
    }

    /// Receives the next message, and records ended jobs: a job may end before the answer to the call that started it.
    fn receive(&mut self) -> Result<Message> {
        let mut bytes = [0; 16];
        self.stream.read_exact(&mut bytes)?;
        let strange = || Error::Unknown("what it says is no D-Bus message".into());
        let length = wire::length(&bytes).ok_or_else(strange)?;
        let mut bytes = bytes.to_vec();
        bytes.resize(length, 0);
        self.stream.read_exact(&mut bytes[16..])?;
        let message = Message::parse(&bytes).ok_or_else(strange)?;
        if message.kind == wire::SIGNAL && message.member == "JobRemoved" {
            // Signature `uoss`: number, job, unit, result.
            let mut body = message.body();
            let texts = (body.u32(), body.text(), body.text(), body.text());
            if let (Some(_), Some(job), Some(_), Some(result)) = texts {
                self.ended.push((job, result));
            }
        }
        Ok(message)
    }
}

struct Address {
    path: String,
    is_bus: bool,
}

/// The addresses of the systemd that is responsible for this user ([`is_machines`]).
fn addresses() -> Vec<Address> {
    let address = |path: String, is_bus| Address { path, is_bus };
    let bus = |variable: &str| std::env::var(variable).ok().as_deref().and_then(unix_path);
    if is_machines() {
        let bus = bus("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|| "/run/dbus/system_bus_socket".into());
        return vec![address("/run/systemd/private".into(), false), address(bus, true)];
    }
    let runtime = std::env::var("XDG_RUNTIME_DIR").ok();
    let own = runtime.as_ref().map(|runtime| address(format!("{runtime}/systemd/private"), false));
    let session = bus("DBUS_SESSION_BUS_ADDRESS").or(runtime.map(|runtime| format!("{runtime}/bus")));
    own.into_iter().chain(session.map(|path| address(path, true))).collect()
}

/// The first of the addresses that is a path (D-Bus specification, "Server Addresses").
fn unix_path(addresses: &str) -> Option<String> {
    let paths = addresses.split(';').filter_map(|one| one.strip_prefix("unix:"));
    paths.flat_map(|keys| keys.split(',')).find_map(|key| Some(key.strip_prefix("path=")?.to_owned()))
}
