//! A loopback proxy between workers and the emulator: it holds a chosen call or its answer, loses an answer, breaks calls
//! of a kind for a while, and knows how far each task's calls have come.

mod call;
mod http;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Result;
use statemachine::token::TaskId;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::call::Call;
pub use self::call::Step;
use self::http::Request;
use crate::emulator::Emulator;

/// On which way a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Before the emulator has it.
    There,
    /// After the emulator answered, before the worker knows.
    Back,
}

/// How far a task's calls have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// The last call.
    pub step: Step,
    /// Whether the emulator has answered it.
    pub is_answered: bool,
}

/// What a broken call gets.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    /// An error with this name; the emulator never has the call.
    Error(&'static str),
    /// Nothing until the outage ends, and then a closed connection; the emulator never has the call.
    Silence,
    /// The emulator's answer to `GetRecords`, with an empty page.
    NoRecords,
}

impl Reached {
    /// Nothing is left to do but to write the checkpoint.
    fn has_ended(self) -> bool {
        matches!(self.step, Step::Settle | Step::Escalate) && self.is_answered
    }
}

/// A running proxy. Dropped, it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    /// The address to use instead of the emulator's.
    pub url: String,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    http: reqwest::Client,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    traps: Vec<Armed>,
    outages: Vec<Broken>,
    reached: BTreeMap<TaskId, Reached>,
    has_worked: bool,
}

#[derive(Debug)]
struct Armed {
    call: Call,
    way: Way,
    /// Its answer is lost once; none for a trap that holds.
    loses: bool,
    caught: Arc<watch::Sender<usize>>,
    released: watch::Receiver<bool>,
}

/// Calls of a kind that fail.
#[derive(Debug)]
struct Broken {
    operations: Vec<&'static str>,
    resource: String,
    reply: Reply,
    is_over: watch::Receiver<bool>,
}

/// An outage, until it is dropped.
#[derive(Debug)]
pub struct Outage {
    _end: watch::Sender<bool>,
}

/// Calls that are held until this is released. Dropped instead, their connections close without a word.
#[derive(Debug)]
pub struct Trap {
    caught: watch::Receiver<usize>,
    release: watch::Sender<bool>,
}

impl Trap {
    /// Waits until a call is caught.
    ///
    /// # Panics
    ///
    /// If the proxy was dropped.
    pub async fn sprung(&mut self) {
        self.caught.wait_for(|caught| *caught > 0).await.expect("the proxy outlives its traps");
    }

    /// Lets the held calls, and all later ones, go on.
    pub fn release(self) {
        self.release.send_replace(true);
    }
}

impl Proxy {
    /// A proxy before an emulator, on a free port.
    ///
    /// # Errors
    ///
    /// If loopback has no free port.
    pub async fn start(emulator: &Emulator) -> Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            upstream: emulator.endpoint_url.clone(),
            http: crate::http()?,
            state: Mutex::default(),
        });
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Proxy { url, shared, _server: server })
    }

    /// Holds a task's call of this kind, and each repetition of it.
    pub fn hold(&self, step: Step, way: Way, task: &TaskId) -> Trap {
        self.arm(step, way, task, false)
    }

    /// Forwards a task's call of this kind, and loses the answer, once.
    pub fn lose_answer(&self, step: Step, task: &TaskId) -> Trap {
        self.arm(step, Way::Back, task, true)
    }

    /// Breaks each call of these operations whose body names this resource, until the outage is dropped. Each call names
    /// the empty resource.
    pub fn outage(&self, operations: &[&'static str], resource: &str, reply: Reply) -> Outage {
        let (end, is_over) = watch::channel(false);
        let (operations, resource) = (operations.to_vec(), resource.to_owned());
        self.shared.lock().outages.push(Broken { operations, resource, reply, is_over });
        Outage { _end: end }
    }

    fn arm(&self, step: Step, way: Way, task: &TaskId, loses: bool) -> Trap {
        let (caught, on_caught) = watch::channel(0);
        let (release, released) = watch::channel(false);
        let call = Call { step, task: Some(task.clone()) };
        self.shared.lock().traps.push(Armed { call, way, loses, caught: Arc::new(caught), released });
        Trap { caught: on_caught, release }
    }

    /// How far each task has come since the last checkpoint was written.
    pub fn reached(&self) -> BTreeMap<TaskId, Reached> {
        self.shared.lock().reached.clone()
    }

    /// Whether a task's step ever came here, done or not.
    pub fn has_worked(&self) -> bool {
        self.shared.lock().has_worked
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the state panics")
    }

    /// A write that the table refuses changes nothing: the task was further already.
    fn forget(&self, call: &Call) {
        if let (Some(task), Step::Decide | Step::Escalate | Step::Settle) = (&call.task, call.step) {
            self.lock().reached.remove(task);
        }
    }

    /// The reply to a broken call, and the end of its outage.
    fn outage(&self, request: &Request) -> Option<(Reply, watch::Receiver<bool>)> {
        let mut state = self.lock();
        state.outages.retain(|outage| outage.is_over.has_changed().is_ok());
        let (operation, body) = (request.operation(), String::from_utf8_lossy(&request.body));
        let hit = state
            .outages
            .iter()
            .find(|outage| outage.operations.contains(&operation) && body.contains(outage.resource.as_str()));
        hit.map(|outage| (outage.reply, outage.is_over.clone()))
    }

    fn note(&self, call: &Call, is_answered: bool) {
        let mut state = self.lock();
        if let Some(task) = &call.task {
            state.has_worked = true;
            state.reached.insert(task.clone(), Reached { step: call.step, is_answered });
        } else if call.step == Step::Checkpoint && is_answered {
            state.reached.retain(|_, reached| !reached.has_ended());
        }
    }

    /// Waits at the traps for this call; false when it must not go on.
    async fn pass(&self, call: &Call, way: Way) -> bool {
        let mut waits = vec![];
        for trap in &mut self.lock().traps {
            if trap.call != *call || trap.way != way {
                continue;
            }
            let first = *trap.caught.borrow() == 0;
            trap.caught.send_modify(|caught| *caught += 1);
            if trap.loses {
                if first {
                    return false;
                }
            } else {
                waits.push(trap.released.clone());
            }
        }
        for mut wait in waits {
            if wait.wait_for(|released| *released).await.is_err() {
                return false;
            }
        }
        true
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A connection ends with its worker, or by a trap: neither is an error of the test's.
        connections.spawn(async move { drop(serve(stream, &shared).await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = http::read(&mut stream).await? {
        let outage = shared.outage(&request);
        match &outage {
            Some((Reply::Error(name), _)) => {
                stream.get_mut().write_all(&http::error(name)).await?;
                continue;
            }
            Some((Reply::Silence, is_over)) => {
                // The sender is dropped at the end of the outage.
                let _ = is_over.clone().changed().await;
                return Ok(());
            }
            Some((Reply::NoRecords, _)) | None => {}
        }
        let call = Call::of(&request);
        shared.note(&call, false);
        if !shared.pass(&call, Way::There).await {
            return Ok(());
        }
        let (is_success, answer) =
            http::forward(&shared.http, &shared.upstream, request, outage.is_some()).await?;
        if !shared.pass(&call, Way::Back).await {
            return Ok(());
        }
        stream.get_mut().write_all(&answer).await?;
        shared.note(&call, true);
        if !is_success {
            shared.forget(&call);
        }
    }
    Ok(())
}
