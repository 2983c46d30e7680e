//! The pages and their JSON twins.

use crate::harness::{GRID, Server, import_pack, open_session, submit};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pages_and_their_json_show_studies_jobs_workers_and_packs() {
    let server = Server::start();
    assert!(server.get("/").contains("jobctl submit grid.yaml --follow"), "an empty fleet says what to do");
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    open_session(&connection, 1, "node").await;

    let overview = server.get("/");
    for expected in [
        "HTTP/1.1 200",
        "/studies/first",
        "2 waiting",
        "2 ready",
        "node/cpu0",
        "tiny",
        "content-security-policy: default-src 'none'",
    ] {
        assert!(overview.contains(expected), "{expected:?} is not in {overview}");
    }
    let study = server.get("/studies/last");
    for expected in ["HTTP/1.1 200", "leather-cloth/baseA", "leather-cloth/B1A", "n = 1", "waiting", "ready"]
    {
        assert!(study.contains(expected), "{expected:?} is not in {study}");
    }
    assert!(!study.contains("<script"), "{study}");
    let json = server.get("/api/studies/first");
    for expected in
        ["\"schema\":\"selffer.api.study/v1\"", "\"name\":\"leather-cloth/baseA\"", "\"state\":\"ready\""]
    {
        assert!(json.contains(expected), "{expected:?} is not in {json}");
    }
    assert!(server.get("/api/workers").contains("\"worker\":\"node/cpu0\""));
    assert!(server.get("/api/packs").contains("\"names\":[\"tiny\"]"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_not_there_is_404_and_other_hosts_and_methods_are_refused() {
    let server = Server::start();

    assert!(server.get("/studies/none").starts_with("HTTP/1.1 404"));
    assert!(server.get("/api/studies/none").contains("\"code\":\"not_found\""));
    assert!(server.get("/none").starts_with("HTTP/1.1 404"));
    assert!(server.get_as("evil.example", "/").starts_with("HTTP/1.1 403"));
    assert!(server.get("/style.css").contains("prefers-color-scheme: dark"));
}
