//! Watches that outlive connections: several on one stream, each continued where it was.
//!
//! A [`Watcher`] is a task with one stream to some member. Members answer the creation of watches
//! in the order in which they were asked for, so the task matches answers to a queue. When the
//! stream breaks, the task opens another and asks for every watch again, from the revision after
//! the last one it has handed out. It ends with the last handle, or with an error that does not
//! pass, which every watch then gets.

use std::collections::VecDeque;
use std::time::Duration;

use proto::etcdserverpb::{
    WatchCancelRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
    watch_request::RequestUnion,
};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::call::{Client, ResponseStream, Rpc};
use crate::error::ClientError;

/// Answers that may wait for a slow receiver; a full queue holds back the whole stream.
const BACKLOG: usize = 64;
/// Commands that may wait while the stream is being opened.
const COMMANDS: usize = 64;
/// The pause before a broken stream is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);
/// The id in answers that concern all watches of a stream.
const ALL_WATCHES: i64 = -1;

/// A stream of watches.
#[derive(Clone, Debug)]
pub struct Watcher {
    commands: mpsc::Sender<Command>,
}

/// One watch: its answers in order.
#[derive(Debug)]
pub struct Watch {
    answers: mpsc::Receiver<Result<WatchResponse, ClientError>>,
}

enum Command {
    Create(WatchCreateRequest, Answers),
    Progress,
}

type Answers = mpsc::Sender<Result<WatchResponse, ClientError>>;

impl Client {
    /// Starts a stream for watches. With `require_leader`, it ends when its member has lost the
    /// leader. Must be called inside a tokio runtime.
    #[must_use]
    pub fn watcher(&self, require_leader: bool) -> Watcher {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let task = Task {
            client: self.clone(),
            require_leader,
            watches: Vec::new(),
            uncreated: VecDeque::new(),
        };
        tokio::spawn(task.run(receiver));
        Watcher { commands }
    }
}

impl Watcher {
    /// Adds a watch to the stream.
    pub async fn watch(&self, request: WatchCreateRequest) -> Watch {
        let (sender, answers) = mpsc::channel(BACKLOG);
        // When the task has ended, the dropped sender ends the watch as well.
        let _ = self.commands.send(Command::Create(request, sender)).await;
        Watch { answers }
    }

    /// Asks for an answer that says up to which revision all watches are complete.
    pub async fn request_progress(&self) {
        // A task that has ended has told its watches why.
        let _ = self.commands.send(Command::Progress).await;
    }
}

impl Watch {
    /// The next answer: events, progress, or a cancellation, which is the last one.
    pub async fn next(&mut self) -> Option<Result<WatchResponse, ClientError>> {
        self.answers.recv().await
    }
}

/// One watch as the task knows it; its place in the list is its name here.
struct Entry {
    /// What to ask for when the stream is opened again.
    request: WatchCreateRequest,
    /// The member's name for it, once created.
    id: Option<i64>,
    /// `None` when the watch is over.
    answers: Option<Answers>,
    /// Parts of an answer that was split by the member.
    parts: Vec<proto::mvccpb::Event>,
}

struct Task {
    client: Client,
    require_leader: bool,
    watches: Vec<Entry>,
    /// Watches that were asked for and not answered yet, oldest first.
    uncreated: VecDeque<usize>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let first = self.creations();
            if first.is_empty() {
                // Without a watch there is no progress to ask for either.
                match commands.recv().await {
                    Some(command) => drop(self.note(command)),
                    None => return,
                }
                continue;
            }
            match self.serve(first, &mut commands).await {
                Ok(()) => return,
                Err(error) if error.is_passing() => sleep(REOPEN_PAUSE).await,
                Err(error) => self.fail(&error).await,
            }
        }
    }

    /// Opens one stream and serves it until it breaks; `Ok` when nobody listens any more.
    async fn serve(
        &mut self,
        first: Vec<WatchRequest>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<(), ClientError> {
        let rpc = Rpc {
            path: "/etcdserverpb.Watch/Watch",
            repeatable: true,
        };
        let opened = self.client.bidi(rpc, self.require_leader, first).await?;
        let (requests, mut answers): (_, ResponseStream<WatchResponse>) = opened;
        let mut commanded = true;
        loop {
            let listening = self.watches.iter().any(|watch| watch.answers.is_some());
            if !listening && !commanded {
                return Ok(());
            }
            tokio::select! {
                command = commands.recv(), if commanded => match command {
                    Some(command) => {
                        let Some(request) = self.note(command) else { continue };
                        if requests.send(request).await.is_err() {
                            return Err(broken());
                        }
                    }
                    None => commanded = false,
                },
                answer = answers.next() => {
                    let answer = answer?.ok_or_else(broken)?;
                    if let Some(cancel) = self.deliver(answer).await {
                        // A stream that cannot take the request is about to end.
                        let _ = requests.send(cancel).await;
                    }
                }
            }
        }
    }

    /// Remembers a command, and returns what to send for it.
    fn note(&mut self, command: Command) -> Option<WatchRequest> {
        let (create, answers) = match command {
            Command::Create(create, answers) => (create, answers),
            Command::Progress => {
                return Some(request(RequestUnion::ProgressRequest(
                    WatchProgressRequest {},
                )));
            }
        };
        self.uncreated.push_back(self.watches.len());
        self.watches.push(Entry {
            request: create.clone(),
            id: None,
            answers: Some(answers),
            parts: Vec::new(),
        });
        Some(request(RequestUnion::CreateRequest(create)))
    }

    /// The requests that bring a fresh stream to where the last one was.
    fn creations(&mut self) -> Vec<WatchRequest> {
        self.uncreated.clear();
        let mut requests = Vec::new();
        for (at, watch) in self.watches.iter_mut().enumerate() {
            watch.id = None;
            watch.parts.clear();
            if watch
                .answers
                .as_ref()
                .is_some_and(|answers| !answers.is_closed())
            {
                self.uncreated.push_back(at);
                requests.push(request(RequestUnion::CreateRequest(watch.request.clone())));
            }
        }
        requests
    }

    /// Hands one answer out; returns a cancellation when its receiver is gone.
    async fn deliver(&mut self, answer: WatchResponse) -> Option<WatchRequest> {
        if answer.created {
            return self.created(answer).await;
        }
        if answer.watch_id == ALL_WATCHES {
            for watch in self.watches.iter_mut().filter(|watch| watch.id.is_some()) {
                watch.hand_out(answer.clone()).await;
            }
            return None;
        }
        let watch = self
            .watches
            .iter_mut()
            .find(|watch| watch.id == Some(answer.watch_id))?;
        watch.answers.as_ref()?;
        watch.hand_out(answer).await;
        watch
            .answers
            .is_none()
            .then(|| watch.cancellation())
            .flatten()
    }

    async fn created(&mut self, answer: WatchResponse) -> Option<WatchRequest> {
        let watch = self.watches.get_mut(self.uncreated.pop_front()?)?;
        if answer.canceled {
            watch.hand_out(answer).await;
            return None;
        }
        watch.id = Some(answer.watch_id);
        let revision = answer.header.map_or(0, |header| header.revision);
        if watch.request.start_revision == 0 {
            // "From now on" must stay the same now when the stream is opened again.
            watch.request.start_revision = revision + 1;
        }
        None
    }

    async fn fail(&mut self, error: &ClientError) {
        for watch in &mut self.watches {
            if let Some(answers) = watch.answers.take() {
                // A receiver that is gone does not want to know.
                let _ = answers.send(Err(error.clone())).await;
            }
        }
    }
}

impl Entry {
    async fn hand_out(&mut self, mut answer: WatchResponse) {
        if answer.fragment {
            self.parts.append(&mut answer.events);
            return;
        }
        if !self.parts.is_empty() {
            let mut events = std::mem::take(&mut self.parts);
            events.append(&mut answer.events);
            answer.events = events;
        }
        self.advance(&answer);
        let last = answer.canceled;
        let delivered = match &self.answers {
            Some(answers) => answers.send(Ok(answer)).await.is_ok(),
            None => false,
        };
        if last || !delivered {
            self.answers = None;
        }
    }

    /// Moves the start of a later stream behind what this answer covers.
    fn advance(&mut self, answer: &WatchResponse) {
        let covered = match answer.events.last().and_then(|event| event.kv.as_ref()) {
            Some(kv) => kv.mod_revision,
            None => answer.header.map_or(0, |header| header.revision),
        };
        self.request.start_revision = self.request.start_revision.max(covered + 1);
    }

    fn cancellation(&self) -> Option<WatchRequest> {
        let watch_id = self.id?;
        Some(request(RequestUnion::CancelRequest(WatchCancelRequest {
            watch_id,
        })))
    }
}

fn request(union: RequestUnion) -> WatchRequest {
    WatchRequest {
        request_union: Some(union),
    }
}

fn broken() -> ClientError {
    ClientError::Status {
        code: proto::error::Code::Unavailable,
        message: "transport: the stream has ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::etcdserverpb::ResponseHeader;
    use proto::mvccpb::{Event, KeyValue};

    fn answer(revision: i64, events: Vec<i64>) -> WatchResponse {
        let events = events.into_iter().map(|mod_revision| Event {
            kv: Some(KeyValue {
                mod_revision,
                ..KeyValue::default()
            }),
            ..Event::default()
        });
        WatchResponse {
            header: Some(ResponseHeader {
                revision,
                ..ResponseHeader::default()
            }),
            events: events.collect(),
            ..WatchResponse::default()
        }
    }

    fn entry(answers: Answers) -> Entry {
        Entry {
            request: WatchCreateRequest::default(),
            id: Some(0),
            answers: Some(answers),
            parts: Vec::new(),
        }
    }

    /// A watch that starts again too early repeats events, and too late loses them.
    #[tokio::test]
    async fn a_broken_stream_continues_after_the_last_event() {
        let (sender, mut receiver) = mpsc::channel(8);
        let mut entry = entry(sender);
        entry.hand_out(answer(9, vec![4, 5])).await;
        assert_eq!(entry.request.start_revision, 6);
        entry.hand_out(answer(9, vec![])).await;
        assert_eq!(entry.request.start_revision, 10);
        assert!(receiver.recv().await.unwrap().is_ok());
    }

    /// Half a revision must not reach the caller as if it were whole.
    #[tokio::test]
    async fn split_answers_are_joined() {
        let (sender, mut receiver) = mpsc::channel(8);
        let mut entry = entry(sender);
        let mut part = answer(5, vec![5]);
        part.fragment = true;
        entry.hand_out(part).await;
        entry.hand_out(answer(5, vec![5])).await;
        let joined = receiver.recv().await.unwrap().unwrap();
        assert_eq!(joined.events.len(), 2);
        assert!(!joined.fragment);
    }
}
