//! `member replace`: a new member in the place of an old one, without a moment of less safety.
//!
//! The new one is added as a learner, which has no vote; it becomes a voter once it has caught up,
//! and only then the old one goes. Each step looks at the members first, so that the same command goes
//! on where an earlier run was interrupted.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Duration;

use client::{Client, ClientError};
use proto::error::Error;
use proto::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberRemoveRequest, MoveLeaderRequest, StatusRequest,
};
use tokio::time::{Instant, sleep};

use super::{check_url, environment, id, peer_urls};
use crate::exit::{Exit, INTERRUPTED};
use crate::flags::{Command, Flag, Kind, Run};
use crate::invocation::{Invocation, Session};
use crate::print::{self, Answer, Format};

/// The command.
pub(super) const COMMAND: Command = Command {
    name: "replace",
    operands: "<memberID> [options]",
    about: "Puts a new member in the place of an old one",
    details:
        "Puts a new member in the place of an old one: adds it as a learner, waits until it has
caught up, makes it a voter, and removes the old one.
When it is interrupted, the same command goes on where it was.",
    flags: &[
        Flag::text(
            "name",
            "new",
            "name of the new member, for the settings that are shown",
        ),
        Flag::text(
            "peer-urls",
            "",
            "peer addresses of the new member, separated by commas",
        ),
        Flag::of(
            "wait",
            Kind::Duration,
            "10m0s",
            "how long the new member may take to start and to catch up",
        ),
    ],
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

/// The pause between two attempts to promote.
const PAUSE: Duration = Duration::from_millis(500);

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let old = id(&invocation)?;
    let urls = peer_urls(&invocation)?;
    urls.iter().try_for_each(|url| check_url(url))?;
    let session = invocation.session()?;
    let work = Replacement {
        client: session.client().await?,
        session: &session,
        old,
        urls,
        name: invocation.arguments.text("name"),
        limit: invocation.arguments.duration("wait"),
    };
    let list = work.run().await?;
    match session.printer.format() {
        Format::Simple => Ok(()),
        _ => session.printer.print(&Answer::MemberList(list)),
    }
}

struct Replacement<'a> {
    client: Client,
    session: &'a Session,
    old: u64,
    urls: Vec<String>,
    name: String,
    limit: Duration,
}

/// What the list of members says of the work.
struct Standing {
    old: Option<Member>,
    new: Option<Member>,
}

impl Replacement<'_> {
    fn client(&self) -> Client {
        self.client.within(self.session.timeout)
    }

    async fn run(&self) -> Result<MemberListResponse, Exit> {
        let Standing { old, new } = self.look().await?;
        if old
            .as_ref()
            .is_some_and(|old| new.as_ref().is_some_and(|new| new.id == old.id))
        {
            return Err(Exit::bad_arguments(
                "the peer urls are those of the member that is to be replaced",
            ));
        }
        let new = match (old, new) {
            (None, None) => return Err(ClientError::Server(Error::MemberNotFound).into()),
            (Some(_), None) => self.add().await?,
            (_, Some(new)) => {
                say(&format!("Member {:x} is there already", new.id));
                new
            }
        };
        if new.is_learner {
            self.promote(new.id).await?;
        }
        // What was true before the wait need not be true any more.
        let Standing { old, new } = self.look().await?;
        let Some(new) = new.filter(|new| !new.is_learner) else {
            return Err(Exit::error(
                "the new member is no voter any more; nothing was removed",
            ));
        };
        if old.is_some() {
            self.step_down(new.id).await;
            let request = MemberRemoveRequest { id: self.old };
            self.settled(|client| async move { client.member_remove(request).await })
                .await?;
        }
        say(&format!(
            "Member {:x} is replaced by {:x}",
            self.old, new.id
        ));
        self.list().await
    }

    /// Makes a change, once the members have been connected for long enough to allow it.
    async fn settled<T, F>(&self, change: impl Fn(Client) -> F) -> Result<T, Exit>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let began = Instant::now();
        loop {
            match change(self.client()).await {
                Err(error) if error.is(Error::Unhealthy) && began.elapsed() < self.limit => {
                    sleep(PAUSE).await;
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    async fn list(&self) -> Result<MemberListResponse, Exit> {
        let request = MemberListRequest { linearizable: true };
        Ok(self.client().member_list(request).await?)
    }

    async fn look(&self) -> Result<Standing, Exit> {
        let members = self.list().await?.members;
        let is_new = |member: &&Member| {
            let same = |url: &String| member.peer_ur_ls.contains(url);
            member.peer_ur_ls.len() == self.urls.len() && self.urls.iter().all(same)
        };
        Ok(Standing {
            old: members.iter().find(|member| member.id == self.old).cloned(),
            new: members.iter().find(is_new).cloned(),
        })
    }

    async fn add(&self) -> Result<Member, Exit> {
        let request = MemberAddRequest {
            peer_ur_ls: self.urls.clone(),
            is_learner: true,
        };
        let answer: MemberAddResponse = self
            .settled(|client| {
                let request = request.clone();
                async move { client.member_add(request).await }
            })
            .await?;
        let member = answer.member.clone().unwrap_or_default();
        say(&format!("Member {:x} is added as a learner", member.id));
        print::line(&format!(
            "Start it now, with an empty data directory and these settings:\n{}",
            environment(&self.name, &answer)
        ))?;
        Ok(member)
    }

    /// Tries to promote until the member has caught up: the leader knows best.
    async fn promote(&self, id: u64) -> Result<(), Exit> {
        let began = Instant::now();
        let mut waiting = Waiting::new();
        loop {
            let answer = self
                .client()
                .member_promote(MemberPromoteRequest { id })
                .await;
            match answer {
                Ok(_) => break,
                Err(error) if error.is(Error::LearnerNotReady) => {}
                // Somebody else has done it.
                Err(error) if error.is(Error::MemberNotLearner) => break,
                Err(error) => return Err(error.into()),
            }
            if began.elapsed() >= self.limit {
                waiting.end();
                let message = format!(
                    "member {id:x} has not caught up within {:?}; it stays a learner, and the same \
                     command goes on from here",
                    self.limit
                );
                return Err(Exit::new(INTERRUPTED, message));
            }
            waiting.show(began.elapsed(), self.progress(id).await);
            sleep(PAUSE).await;
        }
        waiting.end();
        say(&format!("Member {id:x} has caught up and is a voter"));
        Ok(())
    }

    /// How far the new member is: its last applied entry, and the leader's.
    async fn progress(&self, id: u64) -> Option<(u64, u64)> {
        let members = self.list().await.ok()?.members;
        let new = members.into_iter().find(|member| member.id == id)?;
        let endpoint = new.client_ur_ls.first()?;
        let client = self.session.client_of(endpoint).await.ok()?.within(PAUSE);
        let own = client.status(StatusRequest {}).await.ok()?;
        let others = self.client().status(StatusRequest {}).await.ok()?;
        Some((own.raft_applied_index, others.raft_index))
    }

    /// If the old member leads, the new one takes over first: that spares an election. If it cannot be
    /// had, the election does no harm.
    async fn step_down(&self, target_id: u64) {
        for endpoint in &self.session.config.endpoints {
            let Ok(client) = self.session.client_of(endpoint).await else {
                continue;
            };
            let client = client.within(self.session.timeout);
            let Ok(status) = client.status(StatusRequest {}).await else {
                continue;
            };
            let own = status.header.unwrap_or_default().member_id;
            if own == self.old && status.leader == own {
                let _ = client.move_leader(MoveLeaderRequest { target_id }).await;
                return;
            }
        }
    }
}

/// A step that is done; results alone go to standard output.
fn say(text: &str) {
    eprintln!("{text}");
}

/// What is shown while the new member catches up.
struct Waiting {
    is_terminal: bool,
    is_shown: bool,
}

impl Waiting {
    fn new() -> Self {
        Self {
            is_terminal: stderr().is_terminal(),
            is_shown: false,
        }
    }

    fn show(&mut self, since: Duration, progress: Option<(u64, u64)>) {
        let text = match progress {
            None => "Waiting until the new member starts".to_owned(),
            Some((own, all)) => {
                format!("Waiting until the new member has caught up: entry {own} of {all}")
            }
        };
        if self.is_terminal {
            eprint!("\r\x1b[K{text} ({} s)", since.as_secs());
            // A line that cannot be drawn must not stop the work.
            let _ = stderr().flush();
        } else if !self.is_shown {
            say(&text);
        }
        self.is_shown = true;
    }

    fn end(&mut self) {
        if self.is_terminal && self.is_shown {
            eprintln!();
        }
    }
}
