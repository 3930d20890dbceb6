//! `alarm`: what members complain about.

use proto::etcdserverpb::{AlarmRequest, AlarmResponse, AlarmType, alarm_request::AlarmAction};

use super::operands::none;
use crate::exit::Exit;
use crate::flags::{Command, Run, group};
use crate::invocation::Invocation;
use crate::print::Answer;

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "alarm",
    about: "Commands about alarms. See `etcdctl alarm --help`",
    details: "Commands about alarms",
    group: group::CLUSTER,
    children: &[
        Command {
            name: "disarm",
            about: "Clears all alarms",
            run: Run::Do(|invocation| Box::pin(disarm(invocation))),
            ..Command::EMPTY
        },
        Command {
            name: "list",
            about: "Lists all alarms",
            run: Run::Do(|invocation| Box::pin(list(invocation))),
            ..Command::EMPTY
        },
    ],
    ..Command::EMPTY
};

async fn list(invocation: Invocation) -> Result<(), Exit> {
    none(
        &invocation.arguments,
        "alarm list command accepts no arguments",
    )?;
    let session = invocation.session()?;
    let answer = session.short_client().await?.alarm(get()).await?;
    session.printer.print(&Answer::Alarms(answer))
}

/// Clears what is listed, one alarm at a time; the answer has no header.
async fn disarm(invocation: Invocation) -> Result<(), Exit> {
    none(
        &invocation.arguments,
        "alarm disarm command accepts no arguments",
    )?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    let mut cleared = AlarmResponse::default();
    for alarm in client.alarm(get()).await?.alarms {
        let request = AlarmRequest {
            action: AlarmAction::Deactivate.into(),
            member_id: alarm.member_id,
            alarm: alarm.alarm,
        };
        cleared.alarms.extend(client.alarm(request).await?.alarms);
    }
    session.printer.print(&Answer::Alarms(cleared))
}

fn get() -> AlarmRequest {
    AlarmRequest {
        action: AlarmAction::Get.into(),
        member_id: 0,
        alarm: AlarmType::None.into(),
    }
}
