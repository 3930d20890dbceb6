//! Tells the connections and streams of a thread that the server stops: those of clients first, since
//! their calls may need the other members to be answered.

use std::{cell::Cell, rc::Rc};

use tokio::sync::{Notify, futures::Notified};

use crate::listen::PortKind;

/// The two groups of connections.
#[derive(Clone, Default)]
pub(crate) struct Drains {
    pub(crate) clients: Drain,
    pub(crate) peers: Drain,
}

impl Drains {
    /// The group of a port's connections.
    pub(crate) fn of(&self, port: PortKind) -> &Drain {
        match port {
            PortKind::Peer => &self.peers,
            _ => &self.clients,
        }
    }
}

/// Shared by everything on a thread that has to end together.
#[derive(Clone, Default)]
pub(crate) struct Drain {
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    started: Cell<bool>,
    changed: Notify,
    connections: Cell<usize>,
}

impl Drain {
    pub(crate) fn start(&self) {
        self.state.started.set(true);
        self.state.changed.notify_waiters();
    }

    /// Returns once the server stops.
    pub(crate) async fn started(self) {
        self.when(|state| state.started.get()).await;
    }

    /// Returns once no connection is left.
    pub(crate) async fn finished(&self) {
        self.when(|state| state.connections.get() == 0).await;
    }

    /// Counts a connection for as long as the guard lives.
    pub(crate) fn connection(&self) -> ConnectionGuard {
        let open = &self.state.connections;
        open.set(open.get() + 1);
        ConnectionGuard {
            drain: self.clone(),
        }
    }

    async fn when(&self, holds: impl Fn(&State) -> bool) {
        while !holds(&self.state) {
            let changed: Notified<'_> = self.state.changed.notified();
            changed.await;
        }
    }
}

/// The calls of one connection that are not answered completely.
#[derive(Clone, Default)]
pub(crate) struct OpenCalls(Rc<Calls>);

#[derive(Default)]
struct Calls {
    open: Cell<usize>,
    answered: Cell<bool>,
}

impl OpenCalls {
    /// Counts a call for as long as the guard lives.
    pub(crate) fn open(&self) -> OpenCall {
        let open = &self.0.open;
        open.set(open.get() + 1);
        OpenCall(self.clone())
    }

    pub(crate) fn are_none(&self) -> bool {
        self.0.open.get() == 0
    }

    /// Whether a part of an answer was made since this was asked last.
    pub(crate) fn take_answered(&self) -> bool {
        self.0.answered.replace(false)
    }
}

/// One open call.
pub(crate) struct OpenCall(OpenCalls);

impl OpenCall {
    /// A part of its answer is made.
    pub(crate) fn answered(&self) {
        self.0.0.answered.set(true);
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let open = &self.0.0.open;
        open.set(open.get() - 1);
    }
}

/// One open connection.
pub(crate) struct ConnectionGuard {
    drain: Drain,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let open = &self.drain.state.connections;
        open.set(open.get() - 1);
        if open.get() == 0 {
            self.drain.state.changed.notify_waiters();
        }
    }
}
