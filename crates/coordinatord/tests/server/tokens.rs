//! Nobody gets in without the token.

use prost_types::FileDescriptorSet;
use selffer_proto::client::{Connection, Token};
use tonic::{Code, Request, client::Grpc, codegen::http::uri::PathAndQuery, transport::Endpoint};
use tonic_prost::ProstCodec;

use crate::harness::Server;

/// `/package.Service/Method` of every method that is described.
fn methods() -> Vec<String> {
    let files: FileDescriptorSet = prost::Message::decode(selffer_proto::DESCRIPTORS).unwrap();
    let mut methods = Vec::new();
    for file in &files.file {
        for service in &file.service {
            for method in &service.method {
                methods.push(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    methods
}

async fn code_of(client: &mut Grpc<tonic::transport::Channel>, path: &str, header: Option<&str>) -> Code {
    client.ready().await.unwrap();
    let mut request = Request::new(());
    if let Some(header) = header {
        request.metadata_mut().insert("authorization", header.parse().unwrap());
    }
    let path: PathAndQuery = path.parse().unwrap();
    match client.unary(request, path, ProstCodec::<(), ()>::default()).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_method_is_denied_without_the_token() {
    let server = Server::start();
    let channel = Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect_lazy();
    let mut client = Grpc::new(channel);
    let methods = methods();
    assert!(methods.len() >= 28, "{methods:?}");

    for method in methods.iter().map(String::as_str).chain(["/selffer.v1.NoService/NoMethod"]) {
        for header in [None, Some("Bearer"), Some("Bearer 00"), Some(&*format!("Bearer {}", "0".repeat(64)))]
        {
            let code = code_of(&mut client, method, header).await;
            assert_eq!(code, Code::Unauthenticated, "{method} with {header:?}");
        }
    }

    // The same calls with the token get further, so it was the token.
    let header = format!("Bearer {}", server.token().expose());
    let code = code_of(&mut client, "/selffer.v1.StudyService/ListStudies", Some(&header)).await;
    assert_eq!(code, Code::Ok);
    let code = code_of(&mut client, "/selffer.v1.NoService/NoMethod", Some(&header)).await;
    assert_eq!(code, Code::Unimplemented);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn another_coordinators_token_does_not_open_this_one() {
    let server = Server::start();
    let other = Token::parse(&"ab".repeat(32)).unwrap();
    let connection = Connection::lazy(&server.address, &other).unwrap();

    let status =
        connection.studies().list_studies(selffer_proto::v1::ListStudiesRequest {}).await.unwrap_err();

    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(!status.message().contains("ab"), "{}", status.message());
}
