//! The words of sock_diag(7): who owns the socket at the other end of a connection. Requests become bytes and answers
//! become values here; nothing is sent.
//!
//! An answer is taken for what it is only if it is whole, has the wanted sequence number, and is about the very socket
//! that was asked about. A socket that its process has closed lives on for a while, and is then said to be root's
//! (user 0, inode 0): it has no owner here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// netlink(7), `struct nlmsghdr`: length, type, flags, sequence number, port.
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const SOCK_DIAG_BY_FAMILY: u16 = 20;

const AF_UNIX: u8 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const ENOENT: i32 = 2;

/// `INET_DIAG_CGROUP_ID` of linux/inet_diag.h, since Linux 5.9.
const CGROUP_ID: u16 = 21;
/// `UNIX_DIAG_PEER` and `UNIX_DIAG_UID` of linux/unix_diag.h, and the bits that ask for them; the latter since 5.3.
const UNIX_PEER: u16 = 2;
const UNIX_UID: u16 = 7;
const SHOW_PEER: u32 = 0x04;
const SHOW_UID: u32 = 0x40;

/// The states in which the process of a TCP socket can still talk (linux/tcp_states.h): established, both waits for the
/// other side's end, and the states after the other side has ended. Not listening, not new, not timed out.
const CONNECTED: [u8; 6] = [1, 4, 5, 8, 9, 11];

/// What the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A TCP socket.
    Tcp(TcpSocket),
    /// A Unix socket.
    Unix(UnixSocket),
    /// There is no such socket in this network namespace.
    Absent,
    /// It does not say; the number is errno's.
    Refused(i32),
}

/// A TCP socket (`struct inet_diag_msg`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpSocket {
    state: u8,
    near: SocketAddr,
    far: SocketAddr,
    uid: u32,
    inode: u32,
    cgroup: Option<u64>,
}

/// A Unix socket (`struct unix_diag_msg`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixSocket {
    /// The inode of the socket.
    pub inode: u32,
    /// The inode of the socket that it is connected to.
    pub peer: Option<u32>,
    /// The user who made it.
    pub uid: Option<u32>,
}

impl TcpSocket {
    /// The user who made the socket and its control group's id, if it is the socket of a process, at `near`, connected
    /// to `far`.
    pub fn owner(&self, near: SocketAddr, far: SocketAddr) -> Option<(u32, Option<u64>)> {
        let same =
            |a: SocketAddr, b: SocketAddr| a.ip().to_canonical() == b.ip().to_canonical() && a.port() == b.port();
        let is_it = same(self.near, near) && same(self.far, far);
        (is_it && self.inode != 0 && CONNECTED.contains(&self.state)).then_some((self.uid, self.cgroup))
    }
}

/// Asks for the one TCP socket at `near` that is connected to `far`; `None` if the two cannot be connected.
pub fn tcp_request(sequence: u32, near: SocketAddr, far: SocketAddr) -> Option<Vec<u8>> {
    let (near_ip, far_ip) = (near.ip().to_canonical(), far.ip().to_canonical());
    let (family, near_ip, far_ip) = match (near_ip, far_ip) {
        (IpAddr::V4(near), IpAddr::V4(far)) => (AF_INET, padded(near), padded(far)),
        (IpAddr::V6(near), IpAddr::V6(far)) => (AF_INET6, near.octets(), far.octets()),
        _ => return None,
    };
    let mut body = vec![family, IPPROTO_TCP, 0, 0];
    body.extend(u32::MAX.to_ne_bytes()); // In any state: which one it is decides the answer.
    body.extend(near.port().to_be_bytes());
    body.extend(far.port().to_be_bytes());
    body.extend(near_ip);
    body.extend(far_ip);
    body.extend(scope(near).max(scope(far)).to_ne_bytes());
    body.extend([0xff; 8]); // INET_DIAG_NOCOOKIE
    Some(request(sequence, &body))
}

/// Asks for the Unix socket with this inode: its peer and its user.
pub fn unix_request(sequence: u32, inode: u32) -> Vec<u8> {
    let mut body = vec![AF_UNIX, 0, 0, 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(inode.to_ne_bytes());
    body.extend((SHOW_PEER | SHOW_UID).to_ne_bytes());
    body.extend([0xff; 8]);
    request(sequence, &body)
}

fn request(sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX).to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    message
}

/// The answer with this sequence number in a datagram; `None` if it holds none that can be understood.
pub fn answer(mut datagram: &[u8], sequence: u32) -> Option<Answer> {
    while datagram.len() >= HEADER {
        let length = usize::try_from(u32_at(datagram, 0)?).ok()?;
        let message = datagram.get(..length).filter(|message| message.len() >= HEADER)?;
        if u32_at(message, 8)? == sequence {
            return body(u16_at(message, 4)?, message.get(HEADER..)?);
        }
        datagram = datagram.get(aligned(length)..).unwrap_or_default();
    }
    None
}

fn body(kind: u16, body: &[u8]) -> Option<Answer> {
    match (kind, body.first()?) {
        (NLMSG_ERROR, _) => match i32::from_ne_bytes(body.get(..4)?.try_into().ok()?).checked_neg()? {
            ENOENT => Some(Answer::Absent),
            error => Some(Answer::Refused(error)),
        },
        (SOCK_DIAG_BY_FAMILY, &AF_INET | &AF_INET6) => tcp(body).map(Answer::Tcp),
        (SOCK_DIAG_BY_FAMILY, &AF_UNIX) => unix(body).map(Answer::Unix),
        _ => None,
    }
}

fn tcp(body: &[u8]) -> Option<TcpSocket> {
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let ip = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 16] = body.get(at..at + 16)?.try_into().ok()?;
        Some(match *body.first()? {
            AF_INET => Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]).into(),
            _ => Ipv6Addr::from(octets).to_canonical(),
        })
    };
    let cgroup = attribute(body.get(72..)?, CGROUP_ID);
    Some(TcpSocket {
        state: *body.get(1)?,
        near: SocketAddr::new(ip(8)?, port(4)?),
        far: SocketAddr::new(ip(24)?, port(6)?),
        uid: u32_at(body, 64)?,
        inode: u32_at(body, 68)?,
        cgroup: cgroup.and_then(|id| Some(u64::from_ne_bytes(id.try_into().ok()?))),
    })
}

fn unix(body: &[u8]) -> Option<UnixSocket> {
    let attributes = body.get(16..)?;
    let number =
        |kind: u16| attribute(attributes, kind).filter(|found| found.len() == 4).and_then(|found| u32_at(found, 0));
    Some(UnixSocket { inode: u32_at(body, 4)?, peer: number(UNIX_PEER), uid: number(UNIX_UID) })
}

/// The attribute of this kind (`struct nlattr`: length with these four bytes, type).
fn attribute(mut rest: &[u8], kind: u16) -> Option<&[u8]> {
    while rest.len() >= 4 {
        let length = usize::from(u16_at(rest, 0)?);
        let found = rest.get(..length)?.get(4..)?;
        if u16_at(rest, 2)? == kind {
            return Some(found);
        }
        rest = rest.get(aligned(length)..).unwrap_or_default();
    }
    None
}

fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn padded(ip: Ipv4Addr) -> [u8; 16] {
    let mut padded = [0; 16];
    padded[..4].copy_from_slice(&ip.octets());
    padded
}

/// Link-local addresses mean something on one interface only.
fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V6(address) => address.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: &str = "127.0.0.1:40000";
    const FAR: &str = "127.0.0.1:8088";

    /// An answer about a TCP socket, as the kernel writes it.
    fn said(sequence: u32, state: u8, uid: u32, inode: u32) -> Vec<u8> {
        let mut message = tcp_request(sequence, NEAR.parse().unwrap(), FAR.parse().unwrap()).unwrap();
        let id = message.split_off(HEADER + 8);
        message.truncate(HEADER);
        message.extend([AF_INET, state, 0, 0]);
        message.extend(id);
        message.extend([0; 12]);
        message.extend(uid.to_ne_bytes());
        message.extend(inode.to_ne_bytes());
        message.extend([5, 0, 8, 0, 0, 0, 0, 0]); // An attribute of one byte, padded.
        message.extend([12, 0, 21, 0]);
        message.extend(77_u64.to_ne_bytes());
        let length = u32::try_from(message.len()).unwrap();
        message[..4].copy_from_slice(&length.to_ne_bytes());
        message
    }

    fn owner(datagram: &[u8]) -> Option<(u32, Option<u64>)> {
        match answer(datagram, 7)? {
            Answer::Tcp(socket) => socket.owner(NEAR.parse().unwrap(), FAR.parse().unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn d1_a_socket_that_no_process_has_is_nobodys_and_never_roots() {
        assert_eq!(owner(&said(7, 1, 1000, 42)), Some((1000, Some(77))));
        for (state, inode, belongs) in [
            (1, 42, true),
            (4, 42, true),
            (5, 42, true),
            (8, 42, true),
            (1, 0, false),
            (6, 0, false),   // TIME_WAIT
            (6, 42, false),  // never said so, and not believed
            (7, 42, false),  // CLOSE
            (10, 42, false), // LISTEN: what the kernel falls back to when there is no such connection
            (12, 0, false),  // NEW_SYN_RECV
            (0, 42, false),
            (255, 42, false),
        ] {
            assert_eq!(owner(&said(7, state, 0, inode)).is_some(), belongs, "state {state}, inode {inode}");
        }
    }

    #[test]
    fn answers_about_another_socket_are_not_taken() {
        let datagram = said(7, 1, 0, 42);
        let Some(Answer::Tcp(socket)) = answer(&datagram, 7) else { panic!() };
        let (near, far): (SocketAddr, SocketAddr) = (NEAR.parse().unwrap(), FAR.parse().unwrap());
        assert!(
            socket.owner("[::ffff:127.0.0.1]:40000".parse().unwrap(), far).is_some(),
            "the same, written otherwise"
        );
        assert_eq!(socket.owner(far, near), None);
        assert_eq!(socket.owner("127.0.0.1:40001".parse().unwrap(), far), None);
        assert_eq!(socket.owner("127.0.0.2:40000".parse().unwrap(), far), None);
    }

    #[test]
    fn answers_are_found_by_their_number() {
        let both = [said(6, 1, 0, 42), said(7, 1, 1000, 43)].concat();
        assert_eq!(owner(&both), Some((1000, Some(77))));
        assert_eq!(answer(&both, 8), None);
        let mut error = request(7, &(-2_i32).to_ne_bytes());
        error[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        assert_eq!(answer(&error, 7), Some(Answer::Absent));
        error[HEADER..HEADER + 4].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(answer(&error, 7), Some(Answer::Refused(1)));
    }

    #[test]
    fn what_is_cut_off_or_out_of_joint_is_no_answer() {
        let whole = said(7, 1, 0, 42);
        for end in 0..whole.len() {
            assert_eq!(answer(&whole[..end], 7), None, "cut at {end}");
        }
        for byte in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[byte] = value;
                let _ = answer(&changed, 7); // It does not panic, and ends.
            }
        }
    }

    #[test]
    fn only_addresses_of_one_family_can_be_connected() {
        let of = |near: &str, far: &str| tcp_request(1, near.parse().unwrap(), far.parse().unwrap());
        assert!(of(NEAR, "[::1]:1").is_none());
        assert_eq!(of("[::ffff:127.0.0.1]:40000", FAR), of(NEAR, FAR));
        assert_eq!(of("[::1]:1", "[::1]:2").unwrap().len(), 72);
        assert_eq!(unix_request(1, 2).len(), 40);
    }
}
