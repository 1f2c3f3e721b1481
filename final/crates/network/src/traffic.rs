//! Limits of a link's traffic. See tc(8), tc-tbf(8) and tc-police(8), and the kernel's include/uapi/linux/pkt_sched.h.
//!
//! ```text
//! host's end of a veth pair      what leaves it goes to the container: a token bucket, which delays packets
//!                                what enters it comes from the container: a police action, which drops them
//! ```
//!
//! Both are at the host's end, where the container cannot remove them.

use crate::error::{Error, Result};
use crate::netlink::{CREATE_NEW, Message, Socket};

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_NEWTFILTER: u16 = 44;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TC_H_ROOT: u32 = 0xffff_ffff;
const TC_H_INGRESS: u32 = 0xffff_fff1;
const INGRESS_HANDLE: u32 = 0xffff_0000;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RTAB: u16 = 2;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
const TCA_U32_SEL: u16 = 5;
const TCA_U32_POLICE: u16 = 6;
const TCA_POLICE_TBF: u16 = 1;
const TCA_POLICE_RATE: u16 = 2;
const TCA_POLICE_RATE64: u16 = 8;
const TC_ACT_SHOT: u32 = 2;
const TC_U32_TERMINAL: u8 = 1;
const ETH_P_ALL: u16 = 3;

/// The smallest bucket: a few packets as large as segmentation offload makes them.
const LEAST_BURST: u64 = 128 << 10;
/// How long a packet may wait in the bucket's queue.
const MOST_MILLISECONDS: u64 = 100;
/// The kernel's clock of packet schedulers (`PSCHED_TICKS_PER_SEC`: 64 nanoseconds).
const TICKS_PER_MILLISECOND: u64 = 15_625;

/// Limits a link, in bits per second: what leaves it, and what enters it. Earlier limits are removed first.
pub fn limit(socket: &mut Socket, link: u32, leaving: Option<u64>, entering: Option<u64>) -> Result<()> {
    remove(socket, link, TC_H_ROOT)?;
    remove(socket, link, TC_H_INGRESS)?;
    if let Some(bits) = leaving {
        shape(socket, link, bits)?;
    }
    if let Some(bits) = entering {
        police(socket, link, bits)?;
    }
    Ok(())
}

/// Without one of its own, a link has none, or the kernel's default.
fn remove(socket: &mut Socket, link: u32, parent: u32) -> Result<()> {
    let message = Message::new(RTM_DELQDISC, 0, &tcmsg(link, 0, parent, 0));
    match socket.request(message, || format!("remove the traffic limits of link {link}")) {
        Err(error) if matches!(error.errno(), Some(libc::ENOENT | libc::EINVAL)) => Ok(()),
        removed => Ok(removed?),
    }
}

fn shape(socket: &mut Socket, link: u32, bits: u64) -> Result<()> {
    let (rate, burst) = rate_and_burst(bits);
    let queue = u32::try_from(rate / 1000 * MOST_MILLISECONDS + burst).unwrap_or(u32::MAX);
    // struct tc_tbf_qopt: the rate, the peak rate, the limit of the queue, the bucket in ticks, the peak's bucket.
    let options = [
        rate_spec(rate).to_vec(),
        vec![0; 12],
        queue.to_ne_bytes().to_vec(),
        ticks(burst, rate).to_vec(),
        vec![0; 4],
    ]
    .concat();
    let mut message = Message::new(RTM_NEWQDISC, CREATE_NEW, &tcmsg(link, 0, TC_H_ROOT, 0));
    message.put_text(TCA_KIND, "tbf");
    message.put_nested(TCA_OPTIONS, |tbf| {
        tbf.put(TCA_TBF_PARMS, &options);
        tbf.put(TCA_TBF_RTAB, &[0; 1024]);
        if rate > u64::from(u32::MAX) {
            tbf.put(TCA_TBF_RATE64, &rate.to_ne_bytes());
        }
        tbf.put_u32(TCA_TBF_BURST, u32::try_from(burst).unwrap_or(u32::MAX));
    });
    request(socket, message, link, "to the container", "CONFIG_NET_SCH_TBF")
}

fn police(socket: &mut Socket, link: u32, bits: u64) -> Result<()> {
    let (rate, burst) = rate_and_burst(bits);
    let mut ingress = Message::new(RTM_NEWQDISC, CREATE_NEW, &tcmsg(link, INGRESS_HANDLE, TC_H_INGRESS, 0));
    ingress.put_text(TCA_KIND, "ingress");
    request(socket, ingress, link, "from the container", "CONFIG_NET_SCH_INGRESS")?;
    // The priority of the filter, and the protocol in the network's byte order.
    let info = 1 << 16 | u32::from(ETH_P_ALL.to_be());
    let mut filter = Message::new(RTM_NEWTFILTER, CREATE_NEW, &tcmsg(link, 0, INGRESS_HANDLE, info));
    filter.put_text(TCA_KIND, "u32");
    // struct tc_police: index, action, limit, burst in ticks, mtu, the rate, the peak rate, two counters, capabilities.
    let largest = u32::from(u16::MAX);
    let police = [
        [0, TC_ACT_SHOT, 0].map(u32::to_ne_bytes).concat(),
        ticks(burst, rate).to_vec(),
        largest.to_ne_bytes().to_vec(),
        rate_spec(rate).to_vec(),
        vec![0; 12 + 12],
    ];
    filter.put_nested(TCA_OPTIONS, |options| {
        // struct tc_u32_sel with one key, whose mask is empty: it matches every packet.
        let mut selector = vec![0; 16];
        selector[0] = TC_U32_TERMINAL;
        selector[2] = 1;
        options.put(TCA_U32_SEL, &[selector, vec![0; 16]].concat());
        options.put_nested(TCA_U32_POLICE, |action| {
            action.put(TCA_POLICE_TBF, &police.concat());
            action.put(TCA_POLICE_RATE, &[0; 1024]);
            if rate > u64::from(u32::MAX) {
                action.put(TCA_POLICE_RATE64, &rate.to_ne_bytes());
            }
        });
    });
    request(socket, filter, link, "from the container", "CONFIG_NET_CLS_U32 and CONFIG_NET_ACT_POLICE")
}

fn request(
    socket: &mut Socket,
    message: Message,
    link: u32,
    direction: &str,
    options: &'static str,
) -> Result<()> {
    match socket.request(message, || format!("limit the traffic {direction} of link {link}")) {
        // The kernel loads the module of the kind by its name, and finds none.
        Err(error) if error.errno() == Some(libc::ENOENT) => {
            Err(Error::NoTrafficControl { direction: direction.to_owned(), options })
        }
        done => Ok(done?),
    }
}

/// Bytes in a second, and the bytes that may come at once: those of ten milliseconds.
fn rate_and_burst(bits: u64) -> (u64, u64) {
    let rate = (bits / 8).max(1);
    (rate, (rate / 100).clamp(LEAST_BURST, u64::from(u32::MAX)))
}

/// How long the bytes take at the rate.
fn ticks(bytes: u64, rate: u64) -> [u8; 4] {
    let ticks = u128::from(bytes) * 1000 * u128::from(TICKS_PER_MILLISECOND) / u128::from(rate);
    u32::try_from(ticks).unwrap_or(u32::MAX).to_ne_bytes()
}

/// `struct tc_ratespec`: only the type of the link layer (Ethernet) and the rate. The kernel wants a table of sizes with it,
/// and has not read that since Linux 3.8.
fn rate_spec(rate: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[1] = 1;
    bytes[8..].copy_from_slice(&u32::try_from(rate).unwrap_or(u32::MAX).to_ne_bytes());
    bytes
}

/// `struct tcmsg` (rtnetlink(7)): family, index, handle, parent, info.
fn tcmsg(link: u32, handle: u32, parent: u32, info: u32) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[4..8].copy_from_slice(&link.to_ne_bytes());
    bytes[8..12].copy_from_slice(&handle.to_ne_bytes());
    bytes[12..16].copy_from_slice(&parent.to_ne_bytes());
    bytes[16..].copy_from_slice(&info.to_ne_bytes());
    bytes
}
