//! The way out against listeners on loopback: what is refused, what is sent, what is read.
//! Nothing here may leave the machine.
#![expect(
    clippy::disallowed_methods,
    reason = "a listener in a test outlives nothing"
)]

mod listener;
mod addresses;
mod answers;
mod events;
mod tls;
mod websockets;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};

use super::*;

/// Generous where nothing should time out.
const PATIENT: Limits = Limits {
    headers: Duration::from_secs(20),
    idle: Duration::from_secs(20),
};

/// Short where something should.
const HASTY: Limits = Limits {
    headers: Duration::from_millis(80),
    idle: Duration::from_millis(80),
};

const LOOPBACK: &str = "127.0.0.0/8";

fn opened(range: &str) -> Policy {
    Policy {
        allow: vec![range.parse().unwrap()],
        ..Policy::default()
    }
}

fn to_loopback() -> Egress {
    Egress::new(opened(LOOPBACK)).unwrap()
}

async fn get(egress: &Egress, url: &str, limits: &Limits) -> Result<Response<Body>, Failure> {
    let destination = egress.check_url(url)?;
    let request = Request::get(destination.uri().clone())
        .body(Bytes::new())
        .unwrap();
    egress.send(request, limits).await
}

/// Answers each lookup with the next list, and the last one for ever.
struct Script(Mutex<VecDeque<Vec<IpAddr>>>);

impl Resolver for Script {
    fn resolve(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let next = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        Box::pin(async move { Ok(next.unwrap_or_default()) })
    }
}

fn resolving(policy: Policy, answers: &[&[&str]]) -> Egress {
    let list = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let script = Script(Mutex::new(answers.iter().map(list).collect()));
    Egress::with_resolver(policy, Arc::new(script)).unwrap()
}
