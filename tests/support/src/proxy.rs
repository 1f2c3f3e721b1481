//! A proxy that forwards connections, by HTTP's CONNECT (RFC 9110, 9.3.6) or SOCKS 5 (RFC 1928, 1929), whichever
//! the client speaks. It records what it is told and what passes through it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A connection through the proxy.
#[derive(Debug, Clone, Default)]
pub struct Tunnel {
    /// `host:port`, as it was asked for.
    pub target: String,
    /// What the proxy itself was told: all headers, or SOCKS's `name:password`.
    pub told: String,
    /// What the client sent through it.
    pub sent: Vec<u8>,
}

/// Lives as long as the test's process.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub host: String,
    tunnels: Arc<Mutex<Vec<Tunnel>>>,
}

impl Proxy {
    /// `known` are names that only the proxy can resolve, with their addresses.
    pub fn start(address: &str, known: &[(&str, &str)]) -> Self {
        crate::registry::network_up();
        let listener = TcpListener::bind(address).expect("a free port");
        let host = listener.local_addr().expect("it is bound").to_string();
        let tunnels = Arc::new(Mutex::new(Vec::new()));
        let known = known.iter().map(|(name, place)| ((*name).to_owned(), (*place).to_owned()));
        let known: Arc<BTreeMap<String, String>> = Arc::new(known.collect());
        let log = tunnels.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (log, known) = (log.clone(), known.clone());
                // A client that gets this answer has an error to show.
                std::thread::spawn(move || drop(lead(client, &known, &log)));
            }
        });
        Self { host, tunnels }
    }

    pub fn tunnels(&self) -> Vec<Tunnel> {
        self.tunnels.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

fn lead(client: TcpStream, known: &BTreeMap<String, String>, log: &Mutex<Vec<Tunnel>>) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut writer = client;
    let is_socks = reader.fill_buf()?.first() == Some(&5);
    let tunnel = if is_socks { socks(&mut reader, &mut writer)? } else { connect(&mut reader)? };
    let place = known.get(&tunnel.target).unwrap_or(&tunnel.target).clone();
    let lock = || log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let number = {
        let mut log = lock();
        log.push(tunnel);
        log.len() - 1
    };
    let server = TcpStream::connect(place);
    // Host unreachable, and who answers to SOCKS: an address that says nothing.
    let answer: &[u8] = match (is_socks, server.is_ok()) {
        (true, reached) => &[5, if reached { 0 } else { 4 }, 0, 1, 0, 0, 0, 0, 0, 0],
        (false, true) => b"HTTP/1.1 200 OK\r\n\r\n",
        (false, false) => b"HTTP/1.1 502 Nobody there\r\ncontent-length: 0\r\n\r\n",
    };
    writer.write_all(answer)?;
    let mut server = server?;
    let mut back = server.try_clone()?;
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut writer);
        let _ = writer.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 8192];
    loop {
        let length = reader.read(&mut buffer)?;
        if length == 0 {
            return server.shutdown(Shutdown::Write);
        }
        lock()[number].sent.extend(&buffer[..length]);
        server.write_all(&buffer[..length])?;
    }
}

fn connect(reader: &mut impl BufRead) -> Result<Tunnel> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let target = first.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(" HTTP/1.1\r\n"));
    let mut tunnel = Tunnel { target: target.unwrap_or(&first).to_owned(), ..Tunnel::default() };
    while reader.read_line(&mut tunnel.told)? > 2 {}
    Ok(tunnel)
}

fn socks(reader: &mut impl Read, writer: &mut impl Write) -> Result<Tunnel> {
    let mut tunnel = Tunnel::default();
    let [_, count] = take(reader)?;
    let mut ways = vec![0; usize::from(count)];
    reader.read_exact(&mut ways)?;
    let by_password = ways.contains(&2);
    writer.write_all(&[5, if by_password { 2 } else { 0 }])?;
    if by_password {
        let [_] = take(reader)?;
        tunnel.told = format!("{}:{}", text(reader)?, text(reader)?);
        writer.write_all(&[1, 0])?;
    }
    let [_, _, _, kind] = take(reader)?;
    let host = match kind {
        1 => Ipv4Addr::from(take::<4>(reader)?).to_string(),
        _ => text(reader)?,
    };
    tunnel.target = format!("{host}:{}", u16::from_be_bytes(take(reader)?));
    Ok(tunnel)
}

fn take<const LENGTH: usize>(reader: &mut impl Read) -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    reader.read_exact(&mut bytes).map(|()| bytes)
}

/// With its length before it.
fn text(reader: &mut impl Read) -> Result<String> {
    let [length] = take(reader)?;
    let mut bytes = vec![0; usize::from(length)];
    reader.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
