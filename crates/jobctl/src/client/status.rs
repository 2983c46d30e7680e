//! What a gRPC status means to the person at the keyboard: an exit code and a hint.

use std::error::Error;

use tonic::{Code, Status};

use crate::exit::{Exit, Failure};

/// How the transport says that what answered does not speak gRPC.
const NOT_GRPC: &str = "while receiving response with status";

/// The failure for this answer of the coordinator at `address`.
pub(crate) fn failure(status: &Status, address: &str) -> Failure {
    let message = status.message().to_owned();
    // Only the transport attaches a cause; what the coordinator says itself has none.
    if status.source().is_some() {
        return unreachable(address);
    }
    if message.contains(NOT_GRPC) {
        return no_coordinator(address);
    }
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange => Failure::new(Exit::Usage, message),
        Code::NotFound => Failure::new(Exit::NotFound, message),
        Code::Unauthenticated | Code::PermissionDenied => not_permitted(message, address),
        Code::Unavailable if message.is_empty() => unreachable(address),
        Code::Unavailable => Failure::new(Exit::Unreachable, message).hint("repeat the command in a moment"),
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => {
            Failure::new(Exit::Conflict, message)
        }
        Code::DeadlineExceeded => {
            Failure::new(Exit::Runtime, format!("the coordinator at {address} did not answer in time"))
                .hint("repeat the command; repeating is safe")
        }
        _ if message.is_empty() => {
            Failure::new(Exit::Runtime, format!("the coordinator answered: {}", status.code()))
        }
        _ => Failure::new(Exit::Runtime, message),
    }
}

/// No coordinator answers at this address.
pub(crate) fn unreachable(address: &str) -> Failure {
    Failure::new(Exit::Unreachable, format!("no coordinator answers at {address}"))
        .hint("start one with `coordinatord`, or say where it is with --coordinator or SELFFER_COORDINATOR")
}

fn no_coordinator(address: &str) -> Failure {
    Failure::new(Exit::Unreachable, format!("what answers at {address} is not a coordinator"))
        .hint("the dashboard has another port; a coordinator prints both when it starts")
}

fn not_permitted(message: String, address: &str) -> Failure {
    let message = if message.is_empty() { format!("{address} does not permit this") } else { message };
    Failure::new(Exit::NotPermitted, message).hint(
        "give the coordinator's token with --token-file or SELFFER_TOKEN_FILE; it is in `token` in its data folder",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_answer_has_its_exit_code() {
        let cases = [
            (Status::invalid_argument("n"), Exit::Usage),
            (Status::not_found("n"), Exit::NotFound),
            (Status::unauthenticated("n"), Exit::NotPermitted),
            (Status::permission_denied("n"), Exit::NotPermitted),
            (Status::unavailable("n"), Exit::Unreachable),
            (Status::already_exists("n"), Exit::Conflict),
            (Status::internal("n"), Exit::Runtime),
        ];
        for (status, exit) in cases {
            assert_eq!(failure(&status, "http://x:1").exit, exit, "{status}");
        }
    }

    #[test]
    fn a_port_that_speaks_something_else_is_no_coordinator() {
        let status = Status::internal("protocol error: … while receiving response with status: 405");
        let failure = failure(&status, "http://127.0.0.1:7071");
        assert_eq!(failure.exit, Exit::Unreachable);
        assert_eq!(failure.message, "what answers at http://127.0.0.1:7071 is not a coordinator");
    }

    #[test]
    fn an_unreachable_coordinator_is_told_with_its_address_and_how_to_start_one() {
        let failure = unreachable("http://127.0.0.1:7070");
        assert_eq!(failure.message, "no coordinator answers at http://127.0.0.1:7070");
        assert!(failure.hint.is_some_and(|hint| hint.contains("coordinatord")));
    }
}
