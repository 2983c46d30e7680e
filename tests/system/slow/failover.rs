//! A real worker and a person who know two coordinators of one fleet, of which one is killed in
//! the middle of a training.

use std::process::Command;

use nix::sys::signal::Signal;
use selffer_storage::{PrivateServer, ServerConfig};
use selffer_tests::{
    fleet::{Fleet, PATIENCE, free_port},
    person::Person,
    process::{Process, program},
    wait,
};

use crate::{STUDY_PATIENCE, import_images, reference};

/// One more coordinator on a database, with the store and the token of all.
fn coordinator(fleet: &Fleet, name: &str, url: &str, port: u16) -> Process {
    let mut command = Command::new(program("coordinatord"));
    command
        .env("XDG_STATE_HOME", fleet.path("state"))
        .args([
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--http-listen",
            "127.0.0.1:0",
            "--database-url",
            url,
        ])
        .args(["--heartbeat-interval=500ms", "--session-ttl=3s", "--lost-after=6s"])
        .arg("--data-dir")
        .arg(fleet.path(name))
        .arg("--store")
        .arg(fleet.path("shared-store"))
        .arg("--token-file")
        .arg(fleet.data_folder().join("token"));
    Process::start(command, fleet.path(&format!("{name}.log")))
}

#[test]
fn a_training_goes_on_when_one_of_two_coordinators_is_killed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Its own coordinator only lends token and folder; the database belongs to neither of the two.
    let mut fleet = Fleet::start();
    fleet.stop_in_order();
    let config = ServerConfig { data_dir: fleet.path("database"), pg_bin: None };
    let server = runtime.block_on(PrivateServer::start(&config)).unwrap();
    let folder = server.folder().to_owned();
    let socket = server.connect_options().get_socket().unwrap().display().to_string();
    let url = format!("postgres://selffer@localhost:5432/selffer?host={socket}");
    let ports = [free_port(), free_port()];
    let mut first = coordinator(&fleet, "first", &url, ports[0]);
    let second = coordinator(&fleet, "second", &url, ports[1]);
    let both = format!("http://127.0.0.1:{},http://127.0.0.1:{}", ports[0], ports[1]);
    fleet.use_coordinators(&both);
    let answers = |port: u16| {
        let person = Person::new(&fleet.path(""), format!("http://127.0.0.1:{port}"));
        person.jobctl(&["list", "packs"]).code == 0
    };
    wait::until("both coordinators", PATIENCE, || ports.iter().all(|port| answers(*port)));
    import_images(&fleet, 20, 8);
    let grid = fleet.write("two.yaml", &reference::one_job("two"));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
    fleet.worker_arguments = reference::worker_arguments();
    fleet.start_worker("one", 1);
    let job = |fleet: &Fleet| fleet.jobctl_json(&["list", "jobs", "two"])["jobs"][0].clone();
    wait::until("a job that trains", PATIENCE, || job(&fleet)["phase"] == "training");

    first.signal(Signal::SIGKILL);
    first.wait(PATIENCE);

    wait::until("success", STUDY_PATIENCE, || job(&fleet)["state"] == "succeeded");
    assert_eq!(job(&fleet)["attempt"], 1, "nobody took it away meanwhile");
    reference::assert_same(&reference::outcomes(), &fleet.person().outcomes("two"));
    fleet.workers.clear();
    drop((first, second));
    runtime.block_on(server.stop()).unwrap();
    let _ = std::fs::remove_dir_all(folder);
}
