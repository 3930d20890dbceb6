//! The store against its rules: random histories with compactions, crashes and space given back,
//! every answer compared with a list of all changes.

#![expect(clippy::unwrap_used, reason = "a test")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

mod naive;
mod steps;
mod world;

use proptest::prelude::*;

use steps::{question, steps};
use world::World;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Any difference here is a wrong answer to a client, or a member that differs from the others.
    #[test]
    fn answers_follow_the_rules(
        steps in steps(),
        questions in proptest::collection::vec(question(), 3..8),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
            for question in &questions {
                world.check(question);
            }
        }
    }
}
