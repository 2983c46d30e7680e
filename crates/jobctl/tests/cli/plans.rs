//! What a plan costs on a fleet that a person names, without a coordinator.

use serde_json::Value;

use super::program::{Printed, in_tree, run};

fn plan_of_the_papers_grid(more: &[&str]) -> Printed {
    let file = in_tree("examples/grids/yosinski-2014.yaml");
    run(&[&["plan", file.to_str().unwrap()], more].concat())
}

fn json(printed: &Printed) -> Value {
    assert_eq!(printed.code, 0, "{}", printed.err);
    serde_json::from_str(&printed.out).unwrap()
}

fn codes(plan: &Value) -> Vec<&str> {
    let warnings = plan["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn without_a_fleet_times_are_null_and_the_plan_says_what_to_give() {
    let plan = json(&plan_of_the_papers_grid(&["-o", "json"]));
    for key in ["gpu_hours", "makespan_hours", "critical_path_hours", "device", "by_status", "reused"] {
        assert!(plan[key].is_null(), "{key}");
    }
    assert!(codes(&plan).contains(&"device_unknown"));
    let people = plan_of_the_papers_grid(&[]).out;
    assert!(people.contains("--gpu-model k20m"), "{people}");
}

#[test]
fn the_papers_networks_take_what_its_logs_say_of_its_gpu() {
    let plan = json(&plan_of_the_papers_grid(&["--gpus", "8", "--gpu-model", "k20m", "-o", "json"]));
    let days = |hours: &Value| hours.as_f64().unwrap() / 24.0;
    // training_setup.md section 7: 9.88 days for a base network, 4.07 with seven layers frozen.
    let cells = plan["cells"].as_array().unwrap();
    let cell = |name: &str| cells.iter().find(|cell| cell["name"] == name).unwrap();
    assert_eq!(format!("{:.2}", days(&cell("random-0/baseA")["gpu_hours"])), "9.88");
    assert_eq!(format!("{:.2}", days(&cell("random-0/A7B")["gpu_hours"])), "4.07");
    assert_eq!(format!("{:.2}", days(&cell("random-0/A3B")["gpu_hours"])), "5.93");
    assert_eq!(days(&plan["gpu_hours"]).round(), 1_156.0);
    // Logged: 156 days for the frozen selffers, each with a GPU for itself.
    assert_eq!(days(&plan["cost_by_treatment"]["BnB"]["gpu_hours"]).round(), 155.0);
    let fleet = days(&plan["makespan_hours"]);
    assert!(fleet > 1_156.0 / 8.0 && fleet < 1.05 * 1_156.0 / 8.0, "{fleet}");
    assert!(
        !codes(&plan)
            .iter()
            .any(|code| ["device_unknown", "fleet_unknown", "speed_estimated"].contains(code))
    );
}

#[test]
fn a_device_that_nobody_knows_is_a_mistake() {
    let printed = plan_of_the_papers_grid(&["--gpu-model", "h100"]);
    assert_eq!(printed.code, 2);
    assert!(
        printed.err.contains("h100 is no device whose speed is known; known are k20m"),
        "{}",
        printed.err
    );
}
