//! Replies on their way to the writer: those that are worked on, and one that waits for memory.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use crate::{
    Reply,
    budget::{Share, Waiting},
    frontend::ReplyFuture,
};

/// A finished reply for which the outgoing memory is short.
pub(super) struct HeldReply {
    pub(super) reply: Reply,
    pub(super) bytes: usize,
    pub(super) waiting: Waiting,
    pub(super) since: Instant,
}

/// A request whose reply has a place in the order.
pub(super) struct Pending {
    pub(super) reply: PendingReply,
    /// The memory of the request, while it is in use.
    pub(super) share: Option<Share>,
}

pub(super) enum PendingReply {
    Ready(Option<Reply>),
    Later(ReplyFuture),
}

impl Future for Pending {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reply> {
        let reply = match &mut self.reply {
            PendingReply::Ready(reply) => Poll::Ready(reply.take().unwrap_or_default()),
            PendingReply::Later(future) => future.as_mut().poll(context),
        };
        if reply.is_ready() {
            self.share = None;
        }
        reply
    }
}
