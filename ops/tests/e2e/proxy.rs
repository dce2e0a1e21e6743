//! A loopback proxy between a worker and the emulator: it holds a chosen call or its answer, loses an answer, and knows
//! how far each task's calls have come.
//!
//! Just enough HTTP/1.1 for the SDK: one request after the other on a connection, each with its length.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context as _, Result, anyhow};
use ops::emulator::Emulator;
use reqwest::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use statemachine::token::{TaskId, TaskToken};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a worker's call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// D: stores a decision.
    Decide,
    /// Leaves a task to a person.
    Escalate,
    /// C: `SendTaskSuccess` or `SendTaskFailure`.
    CallBack,
    /// M: records an answer that ends the task.
    Settle,
    /// K: moves a shard's checkpoint.
    Checkpoint,
    /// Everything else.
    Other,
}

/// On which way a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// Before the emulator has it.
    There,
    /// After the emulator answered, before the worker knows.
    Back,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) step: Step,
    pub(crate) task: Option<TaskId>,
}

/// How far a task's calls have come: the last one, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reached {
    pub(crate) step: Step,
    pub(crate) is_answered: bool,
}

impl Reached {
    /// Nothing is left to do but to write the checkpoint.
    fn has_ended(self) -> bool {
        matches!(self.step, Step::Settle | Step::Escalate) && self.is_answered
    }
}

/// A running proxy. Dropped, it closes every connection.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) url: String,
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

/// Calls that are held until this is released. Dropped instead, their connections close without a word.
#[derive(Debug)]
pub(crate) struct Trap {
    caught: watch::Receiver<usize>,
    release: watch::Sender<bool>,
}

impl Trap {
    /// Waits until a call is caught.
    pub(crate) async fn sprung(&mut self) {
        self.caught.wait_for(|caught| *caught > 0).await.expect("the proxy outlives its traps");
    }

    /// Lets the held calls, and all later ones, go on.
    pub(crate) fn release(self) {
        self.release.send_replace(true);
    }
}

impl Proxy {
    /// A proxy before an emulator, on a free port.
    pub(crate) async fn start(emulator: &Emulator) -> Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            upstream: emulator.endpoint_url.clone(),
            http: reqwest::Client::builder().no_proxy().build()?,
            state: Mutex::default(),
        });
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Proxy { url, shared, _server: server })
    }

    /// Holds a task's call of this kind, and each repetition of it.
    pub(crate) fn hold(&self, step: Step, way: Way, task: &TaskId) -> Trap {
        self.arm(step, way, task, false)
    }

    /// Forwards a task's call of this kind, and loses the answer, once.
    pub(crate) fn lose_answer(&self, step: Step, task: &TaskId) -> Trap {
        self.arm(step, Way::Back, task, true)
    }

    fn arm(&self, step: Step, way: Way, task: &TaskId, loses: bool) -> Trap {
        let (caught, on_caught) = watch::channel(0);
        let (release, released) = watch::channel(false);
        let call = Call { step, task: Some(task.clone()) };
        self.shared.lock().traps.push(Armed { call, way, loses, caught: Arc::new(caught), released });
        Trap { caught: on_caught, release }
    }

    /// How far each task has come since the last checkpoint was written.
    pub(crate) fn reached(&self) -> BTreeMap<TaskId, Reached> {
        self.shared.lock().reached.clone()
    }

    /// Whether a task's step ever came here, done or not.
    pub(crate) fn has_worked(&self) -> bool {
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

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

async fn serve(stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let call = Call::of(&request);
        shared.note(&call, false);
        if !shared.pass(&call, Way::There).await {
            return Ok(());
        }
        let (is_success, answer) = forward(shared, request).await?;
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

/// The next request of a connection; `None` when it was closed between two.
async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().context("a method")?.to_owned();
    let path = words.next().context("a path")?.to_owned();
    let mut headers = vec![];
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == CONTENT_LENGTH.as_str());
    let length: usize = length.map_or(Ok(0), |(_, digits)| digits.parse())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { method, path, headers, body }))
}

/// Forwards a request; tells whether it was granted, and gives the answer's bytes.
async fn forward(shared: &Shared, request: Request) -> Result<(bool, Vec<u8>)> {
    let url = format!("{}{}", shared.upstream, request.path);
    let mut forwarded = shared.http.request(request.method.parse()?, url).body(request.body);
    for (name, value) in request.headers {
        // The host stays the proxy's: the signature covers it.
        if ![CONTENT_LENGTH.as_str(), CONNECTION.as_str()].contains(&name.as_str()) {
            forwarded = forwarded.header(name, value);
        }
    }
    let answer = forwarded.send().await.map_err(|error| anyhow!("the emulator: {error}"))?;
    let is_success = answer.status().is_success();
    let mut bytes = format!("HTTP/1.1 {}\r\n", answer.status().as_u16()).into_bytes();
    for (name, value) in answer.headers() {
        if ![CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING].contains(name) {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    let body = answer.bytes().await?;
    bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend(&body);
    Ok((is_success, bytes))
}

impl Call {
    fn of(request: &Request) -> Call {
        let target = request.headers.iter().find(|(name, _)| name == "x-amz-target");
        let operation = target.and_then(|(_, target)| target.split('.').nth(1)).unwrap_or_default();
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |pointer| body.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
        match operation {
            "SendTaskSuccess" | "SendTaskFailure" => {
                let token = TaskToken::new(text("/taskToken")).ok();
                Call { step: Step::CallBack, task: token.map(|token| token.task_id()) }
            }
            "UpdateItem" => {
                let set = text("/UpdateExpression");
                let step = if set.contains("#decision = ") {
                    Step::Decide
                } else if set.contains("#escalation = ") {
                    Step::Escalate
                } else if set.contains("#status = ") && set.contains("#delivery = ") {
                    Step::Settle
                } else if text("/Key/sk/S").starts_with("shard|") && set.contains("#position = :") {
                    Step::Checkpoint
                } else {
                    Step::Other
                };
                Call { step, task: TaskId::parse(text("/Key/taskId/S")).ok() }
            }
            _ => Call { step: Step::Other, task: None },
        }
    }
}
