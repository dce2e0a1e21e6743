//! Connections to a server as pipes in memory: no socket, and paused time.

use std::net::{Ipv4Addr, SocketAddr};

use axum::serve::Listener;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

/// Opens connections to its server.
#[derive(Debug, Clone)]
pub(crate) struct Callers(mpsc::UnboundedSender<DuplexStream>);

/// Connections that come over pipes. Without a caller it panics.
#[derive(Debug)]
pub(crate) struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

pub(crate) fn pipes() -> (Callers, Pipes) {
    let (callers, listener) = mpsc::unbounded_channel();
    (Callers(callers), Pipes(listener))
}

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
        let pipe = self.0.recv().await.expect("the listener broke");
        (pipe, (Ipv4Addr::LOCALHOST, 1).into())
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok((Ipv4Addr::LOCALHOST, 8420).into())
    }
}

impl Callers {
    /// A new connection on which a text was sent.
    pub(crate) async fn connect(&self, sent: &str) -> DuplexStream {
        let (mut caller, server) = tokio::io::duplex(65_536);
        self.0.send(server).expect("it listens");
        caller.write_all(sent.as_bytes()).await.expect("a pipe");
        caller
    }

    /// A request's answer, as text.
    pub(crate) async fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nConnection: close\r\n\r\n");
        rest(&mut self.connect(&request).await).await
    }
}

/// Everything that a server sends until it closes the connection.
pub(crate) async fn rest(pipe: &mut DuplexStream) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).await.expect("a pipe");
    text
}
