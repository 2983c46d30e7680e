//! What processes have used so far, as `/proc` says.

use std::fs;

use nix::unistd::{Pid, SysconfVar, sysconf};
use selffer_storage::PrivateServer;
use selffer_tests::{fleet::Fleet, machine};

use crate::Trouble;

/// Processor seconds of a fleet's coordinator and of its PostgreSQL.
pub(crate) fn processor_s(fleet: &Fleet) -> Result<(f64, f64), Trouble> {
    let database =
        PrivateServer::of_another(&fleet.data_folder()).ok_or("the fleet has no server of its own")?;
    let socket = database.get_socket().ok_or("the server has no socket")?;
    let first = fs::read_to_string(socket.join(".s.PGSQL.5432.lock"))?;
    let postmaster = Pid::from_raw(first.lines().next().unwrap_or_default().parse()?);
    let backends = machine::children(postmaster).into_iter().map(|child| child.id);
    let postgresql = backends.chain([postmaster]).map(of_process).sum::<Result<f64, _>>()?;
    Ok((of_process(coordinator(fleet)?)?, postgresql))
}

/// The most memory that a fleet's coordinator has held, in MiB.
pub(crate) fn memory_mib(fleet: &Fleet) -> Result<f64, Trouble> {
    let status = fs::read_to_string(format!("/proc/{}/status", coordinator(fleet)?))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

fn coordinator(fleet: &Fleet) -> Result<Pid, Trouble> {
    let process = fleet.coordinator.as_ref().ok_or("the coordinator does not run")?;
    Ok(Pid::from_raw(process.id().try_into()?))
}

fn of_process(id: Pid) -> Result<f64, Trouble> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name before it stands in brackets and may itself hold brackets and blanks.
    let fields: Vec<&str> = stat.rsplit_once(") ").ok_or("no name in stat")?.1.split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    let per_s = sysconf(SysconfVar::CLK_TCK)?.ok_or("no clock ticks")?;
    Ok(ticks / per_s as f64)
}
