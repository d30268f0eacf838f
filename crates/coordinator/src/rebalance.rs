//! The rebalance: from "all must join again" to the next generation, and what time does to it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use model::{GenerationId, MemberId};

use crate::{
    Cause, GroupError, GroupState, Notice,
    group::{Group, InitialDelay},
    roster::Waiting,
    timers::TimerKey,
    turn::Turn,
};

/// The least wait for members of whom none has joined: a client may claim a rebalance timeout of
/// zero, and the wait repeats until sessions end.
const POSTPONED_MIN: Duration = Duration::from_secs(1);

impl Group {
    /// Starts a rebalance, or, within one, ends it if nobody is missing any more.
    pub(crate) fn rebalance(&mut self, turn: &mut Turn<'_>, cause: Cause) {
        match self.state {
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable => {
                self.prepare(turn, cause);
            }
            GroupState::PreparingRebalance => self.complete_if_all_joined(turn),
            GroupState::Dead => {}
        }
    }

    fn prepare(&mut self, turn: &mut Turn<'_>, cause: Cause) {
        turn.outcome.notices.push(Notice::RebalanceStarted {
            group: self.id.clone(),
            generation: self.generation,
            cause,
        });
        if self.state == GroupState::CompletingRebalance {
            self.refuse_syncs(turn);
        }
        turn.timers.cancel(&TimerKey::Sync(self.id.clone()));
        self.roster.take_pending_syncs();
        let was_empty = self.state == GroupState::Empty;
        self.state = GroupState::PreparingRebalance;
        if !was_empty {
            return self.complete_or_wait(turn);
        }
        turn.timers.cancel(&TimerKey::Purge(self.id.clone()));
        let delay = turn.config.initial_rebalance_delay;
        if delay.is_zero() {
            return self.complete(turn);
        }
        self.initial = Some(InitialDelay {
            newcomer: false,
            remaining: self.roster.rebalance_timeout().saturating_sub(delay),
        });
        self.wait_for_joins(turn, delay);
    }

    /// Members that wait for an assignment learn that there will be none.
    fn refuse_syncs(&mut self, turn: &mut Turn<'_>) {
        for id in self.roster.ids() {
            self.roster.assign(&id, Bytes::new());
            let parked = self.roster.take_sync(&id);
            if parked.is_some() {
                self.await_heartbeat(&id, turn);
            }
            turn.end_sync(parked, Err(GroupError::RebalanceInProgress));
        }
    }

    fn complete_or_wait(&mut self, turn: &mut Turn<'_>) {
        if self.roster.is_empty() || self.roster.all_joined() {
            self.complete(turn);
        } else {
            let timeout = self.roster.rebalance_timeout();
            self.wait_for_joins(turn, timeout);
        }
    }

    fn wait_for_joins(&self, turn: &mut Turn<'_>, wait: Duration) {
        let due = turn.instant() + wait;
        turn.timers.set(TimerKey::Rebalance(self.id.clone()), due);
    }

    /// Ends the wait early, except an empty group's first: that one is for members yet unknown.
    /// Once the last member is gone nobody is waited for, whoever has asked for an id: who stops
    /// the consumers may delete the group.
    pub(crate) fn complete_if_all_joined(&mut self, turn: &mut Turn<'_>) {
        let all_joined = self.initial.is_none() && self.roster.all_joined();
        let is_over = self.roster.is_empty() || all_joined;
        if self.state == GroupState::PreparingRebalance && is_over {
            self.complete(turn);
        }
    }

    /// The wait for members is over: goes on without the missing, or waits once more for an empty
    /// group's first members if some came.
    pub(crate) fn on_rebalance_timeout(&mut self, turn: &mut Turn<'_>) {
        if self.state != GroupState::PreparingRebalance {
            return;
        }
        match self.initial {
            Some(initial) if initial.newcomer && !initial.remaining.is_zero() => {
                let delay = turn.config.initial_rebalance_delay.min(initial.remaining);
                self.initial = Some(InitialDelay {
                    newcomer: false,
                    remaining: initial.remaining.saturating_sub(delay),
                });
                self.wait_for_joins(turn, delay);
            }
            _ => self.complete(turn),
        }
    }

    /// Begins the next generation with those who joined. Static members keep their place without
    /// joining, until their session ends.
    fn complete(&mut self, turn: &mut Turn<'_>) {
        self.initial = None;
        turn.timers.cancel(&TimerKey::Rebalance(self.id.clone()));
        let dropped = self.drop_unjoined(turn);
        if !self.roster.elect_joined_leader() && !self.roster.is_empty() {
            // Nobody is there to lead: wait until someone joins, or until sessions end.
            let wait = self.roster.rebalance_timeout().max(POSTPONED_MIN);
            return self.wait_for_joins(turn, wait);
        }
        *turn.rebalance_count += 1;
        // After the last number comes 0: a negative one would mean "no generation".
        self.generation = GenerationId(self.generation.0.checked_add(1).unwrap_or_default());
        if self.roster.is_empty() {
            self.state = GroupState::Empty;
            self.protocol = None;
            let settled = self.settle(turn.now);
            turn.record(settled);
            self.await_purge(turn);
            turn.outcome.notices.push(Notice::Emptied {
                group: self.id.clone(),
                generation: self.generation,
            });
        } else {
            self.state = GroupState::CompletingRebalance;
            self.protocol = self.roster.select_protocol();
            self.answer_joins(turn);
            turn.outcome.notices.push(Notice::GenerationStarted {
                group: self.id.clone(),
                generation: self.generation,
                protocol: self.protocol.clone().unwrap_or_default(),
                members: self.roster.len(),
                dropped,
            });
        }
    }

    fn drop_unjoined(&mut self, turn: &mut Turn<'_>) -> usize {
        let unjoined: Vec<MemberId> = self
            .roster
            .members()
            .filter(|member| member.join.is_none() && member.instance.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in &unjoined {
            self.take_out(id, turn);
        }
        unjoined.len()
    }

    fn answer_joins(&mut self, turn: &mut Turn<'_>) {
        for id in self.roster.ids() {
            let parked = self.roster.take_join(&id);
            if parked.is_some() {
                let joined = self.joined(&id);
                turn.end_join(parked, Ok(joined));
            }
            self.await_heartbeat(&id, turn);
        }
        self.roster.expect_syncs();
        let due = turn.instant() + self.roster.rebalance_timeout();
        turn.timers.set(TimerKey::Sync(self.id.clone()), due);
    }

    /// Members that have not asked for their assignment in time are given up.
    pub(crate) fn on_sync_timeout(&mut self, turn: &mut Turn<'_>) {
        let expects = matches!(
            self.state,
            GroupState::CompletingRebalance | GroupState::Stable
        );
        let missing = self.roster.take_pending_syncs();
        if !expects || missing.is_empty() {
            return;
        }
        for id in &missing {
            self.take_out(id, turn);
        }
        let members = missing.len();
        self.prepare(turn, Cause::NotSynced { members });
    }

    /// Takes a member out and answers what it waits on, without rebalancing yet.
    pub(crate) fn take_out(&mut self, id: &MemberId, turn: &mut Turn<'_>) {
        self.take_out_with(id, turn, &GroupError::UnknownMember);
    }

    /// As [`Group::take_out`], with this answer.
    pub(crate) fn take_out_with(&mut self, id: &MemberId, turn: &mut Turn<'_>, error: &GroupError) {
        turn.timers.cancel(&self.session_key(id));
        if let Some(mut member) = self.roster.remove(id) {
            turn.unexpect(member.connection, self, id);
            let waiting = Waiting::take(&mut member);
            turn.end_join(waiting.join, Err(error.clone()));
            turn.end_sync(waiting.sync, Err(error.clone()));
        }
    }

    /// Forgets an id given out and not joined with; gives whether there was one.
    pub(crate) fn drop_pending_join(&mut self, id: &MemberId, turn: &mut Turn<'_>) -> bool {
        let Some(connection) = self.roster.remove_pending_join(id) else {
            return false;
        };
        turn.timers.cancel(&self.session_key(id));
        turn.unexpect(connection, self, id);
        true
    }

    /// Removes a member, or an id given out and not joined with; the group rebalances if it must.
    pub(crate) fn remove_member(&mut self, id: &MemberId, turn: &mut Turn<'_>, cause: Cause) {
        if self.drop_pending_join(id, turn) {
            self.complete_if_all_joined(turn);
        } else if self.roster.member(id).is_some() {
            self.take_out(id, turn);
            self.rebalance(turn, cause);
        }
    }

    /// The member was not heard of for its session timeout. Waiting for the others is no silence;
    /// only a new member, which may have given up unnoticed, is removed even then.
    pub(crate) fn on_session_timeout(&mut self, id: &MemberId, turn: &mut Turn<'_>) {
        let excused = self.roster.member(id).is_some_and(|member| {
            !member.is_new && (member.join.is_some() || member.sync.is_some())
        });
        if !excused {
            let member = id.clone();
            self.remove_member(id, turn, Cause::Expired { member });
        }
    }

    /// The protocol type and protocol of the present generation.
    pub(crate) fn protocols(&self) -> (Arc<str>, Arc<str>) {
        let protocol = self.protocol.clone().unwrap_or_default();
        (Arc::clone(&self.protocol_type), protocol)
    }
}
