//! `downgrade`: prepares the cluster for the version before.

use proto::etcdserverpb::{DowngradeRequest, downgrade_request::DowngradeAction};

use crate::exit::Exit;
use crate::flags::{Command, Run, group};
use crate::invocation::Invocation;
use crate::print::{Answer, DowngradeStep};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "downgrade",
    about: "Commands about downgrades. See `etcdctl downgrade --help`",
    details: "Commands about downgrades",
    group: group::CLUSTER,
    children: &[
        Command {
            name: "validate",
            operands: "<TARGET_VERSION>",
            about: "Checks whether the cluster can be downgraded to a version",
            run: Run::Do(|invocation| Box::pin(run(invocation, DowngradeStep::Validate))),
            ..Command::EMPTY
        },
        Command {
            name: "enable",
            operands: "<TARGET_VERSION>",
            about: "Starts a downgrade to a version",
            run: Run::Do(|invocation| Box::pin(run(invocation, DowngradeStep::Enable))),
            ..Command::EMPTY
        },
        Command {
            name: "cancel",
            about: "Ends a downgrade that was started",
            run: Run::Do(|invocation| Box::pin(run(invocation, DowngradeStep::Cancel))),
            ..Command::EMPTY
        },
    ],
    ..Command::EMPTY
};

async fn run(invocation: Invocation, step: DowngradeStep) -> Result<(), Exit> {
    let version = match (step, invocation.arguments.operands.len()) {
        (DowngradeStep::Cancel, _) => String::new(),
        (_, 0) => return Err(Exit::bad_arguments("TARGET_VERSION not provided")),
        (_, 1) => invocation.arguments.operand(0).unwrap_or_default(),
        (_, _) => return Err(Exit::bad_arguments("too many arguments")),
    };
    let action = match step {
        DowngradeStep::Validate => DowngradeAction::Validate,
        DowngradeStep::Enable => DowngradeAction::Enable,
        DowngradeStep::Cancel => DowngradeAction::Cancel,
    };
    let request = DowngradeRequest {
        action: action.into(),
        version,
    };
    let session = invocation.session()?;
    let answer = session.short_client().await?.downgrade(request).await?;
    session.printer.print(&Answer::Downgrade(step, answer))
}
