//! What the kernel says about the other end of a connection. The first four bytes are the number of the question.

#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use mcp_proxy::net::diag::{Answer, answer, tcp_request};

const NEAR: &str = "127.0.0.1:40000";
const FAR: &str = "127.0.0.1:8088";
const CONNECTED: [u8; 6] = [1, 4, 5, 8, 9, 11];

fn number(bytes: &[u8], at: usize) -> usize {
    let four: [u8; 4] = bytes[at..at + 4].try_into().expect("there are four");
    u32::from_ne_bytes(four) as usize
}

/// The first message with that number, read in the plainest way.
fn message(mut datagram: &[u8], sequence: usize) -> Option<&[u8]> {
    while datagram.len() >= 16 {
        let length = number(datagram, 0);
        if length < 16 || length > datagram.len() {
            return None;
        }
        if number(datagram, 8) == sequence {
            return Some(&datagram[..length]);
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

fuzz_target!(|input: &[u8]| {
    let Some((sequence, datagram)) = input.split_first_chunk::<4>() else { return };
    let sequence = u32::from_ne_bytes(*sequence);
    let Some(found) = answer(datagram, sequence) else { return };
    let message = message(datagram, sequence as usize).expect("an answer is one of the messages");
    let (near, far): (SocketAddr, SocketAddr) = (NEAR.parse().expect("an address"), FAR.parse().expect("an address"));
    match found {
        Answer::Tcp(socket) => {
            let body = &message[16..];
            let Some((uid, _)) = socket.owner(near, far) else { return };
            assert!(body.len() >= 72);
            assert!(CONNECTED.contains(&body[1]), "state {}", body[1]);
            assert_ne!(number(body, 68), 0, "nobody's socket has an owner");
            assert_eq!(number(body, 64), uid as usize);
            // The socket that was asked about, as the question has it: ports, and addresses of its family.
            let question = tcp_request(1, near, far).expect("they can be connected");
            assert_eq!(body[4..8], question[24..28]);
            if body[0] == 2 {
                assert_eq!((&body[8..12], &body[24..28]), (&question[28..32], &question[44..48]));
            }
        }
        Answer::Unix(_) => assert!(message.len() >= 32 && message[16] == 1),
        Answer::Absent => assert_eq!(number(message, 16) as u32 as i32, -2),
        Answer::Refused(error) => assert_eq!(number(message, 16) as u32 as i32, -error),
    }
});
