//! How large answers would be, without making them: for who takes memory before it is used. The
//! callers' rights count here as in the answers themselves.

use std::ops::ControlFlow;

use auth::{Resource, Right};
use coordinator::Coordinator;
use model::{GroupId, TopicName};

use crate::{Access, access::Need, sync::read, topic::Topic};

impl Access {
    /// Shows the name and the number of partitions of each topic on which the caller has any right,
    /// until `look` has seen enough.
    pub fn look_at_topics(&self, look: &mut dyn FnMut(&TopicName, i32) -> ControlFlow<()>) {
        let sees = |topic: &Topic| {
            let topic = Resource::Topic(&topic.name);
            self.authorise(topic, Need::Any).is_ok()
        };
        let topics = read(&self.inside().topics);
        for topic in topics.iter().filter(|topic| sees(topic)) {
            if look(&topic.name, topic.partition_count()).is_break() {
                return;
            }
        }
    }

    /// Shows the bytes that describing these groups would give of each member.
    pub fn look_at_members(
        &self,
        groups: &mut dyn Iterator<Item = GroupId>,
        look: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) {
        self.look_at_groups(Need::Any, &mut |coordinator| {
            for group in &mut *groups {
                let mut members = coordinator.described_bytes(&group);
                if members.try_for_each(&mut *look).is_break() {
                    return;
                }
            }
        });
    }

    /// Shows the bytes of the name of each group.
    pub fn look_at_group_names(&self, look: &mut dyn FnMut(usize) -> ControlFlow<()>) {
        self.look_at_groups(Need::Any, &mut |coordinator| {
            let mut names = coordinator.groups().map(|each| each.group.as_str().len());
            // Where `look` has seen enough there is nothing left to do.
            let _enough = names.try_for_each(&mut *look);
        });
    }

    /// Shows the topic's name and the bytes of the text of each offset that a group has committed.
    pub fn look_at_offsets(
        &self,
        group: &GroupId,
        look: &mut dyn FnMut(&TopicName, usize) -> ControlFlow<()>,
    ) {
        let listen = Need::Right(Right::Listen);
        self.look_at_groups(listen, &mut |coordinator| {
            let mut offsets = coordinator.offsets_of(group);
            let _enough =
                offsets.try_for_each(|(topic, _, committed)| look(topic, committed.metadata.len()));
        });
    }

    fn look_at_groups(&self, need: Need, look: &mut dyn FnMut(&Coordinator)) {
        let any_group = GroupId::from("");
        if self.authorise(Resource::Group(&any_group), need).is_ok() {
            self.inside().groups.read(|coordinator| look(coordinator));
        }
    }

    /// The bytes of what a topic was given as configuration; none where there is no such topic for
    /// the caller.
    #[must_use]
    pub fn topic_config_bytes(&self, name: &str) -> Option<usize> {
        let topic = self.topic(crate::access::TopicRef::Name(name), Need::Any);
        let settings = topic.ok()?.settings.load_full();
        let given = settings.given.iter_given();
        Some(given.map(|(_, value)| value.len()).sum())
    }
}
