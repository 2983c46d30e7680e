//! The dashboard: what the coordinator does, on pages that need no script.
//!
//! Read-only. Pages are rendered here and reload themselves; each has a JSON twin under
//! `/api`. They show names and numbers to whoever reaches the address, which is always a
//! loopback address of this machine; a page of another site cannot reach them through a
//! browser, because the host it was asked for must be this one.

mod api;
mod guard;
mod matrix;
mod pages;
mod text;

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::{Router, middleware, routing::get};
use tokio::net::TcpListener;

use crate::coordinator::Coordinator;

/// Serves until the coordinator stops.
pub(crate) async fn serve(coordinator: Arc<Coordinator>, listener: TcpListener) -> Result<()> {
    let stopping = coordinator.stopping.clone();
    let routes = Router::new()
        .route("/", get(pages::overview))
        .route("/studies/{name}", get(pages::study))
        .route("/style.css", get(pages::style))
        .route("/api/studies", get(api::studies))
        .route("/api/studies/{name}", get(api::study))
        .route("/api/workers", get(api::workers))
        .route("/api/packs", get(api::packs))
        .route("/api/health", get(api::health))
        .fallback(pages::no_such_page)
        .layer(middleware::from_fn(guard::guard))
        .with_state(coordinator);
    axum::serve(listener, routes)
        .with_graceful_shutdown(stopping.cancelled_owned())
        .await
        .context("the dashboard broke")
}
