//! Authorisation happens before the body is read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actix_jwt::{AuthUser, JwtAuth};
use actix_web::rt::System;
use actix_web::{App, HttpResponse, HttpServer, web};

use crate::shop::Shop;

/// Sends the head of a request that announces a body, and no body. Answers what came back.
fn announce_a_body(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).expect("an answer without waiting for the body");
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[test]
fn nobody_is_refused_before_the_body_has_arrived() {
    async fn upload(_: web::Bytes) -> HttpResponse {
        HttpResponse::Ok().finish()
    }
    async fn upload_of_user(_: AuthUser, _: web::Bytes) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    let (sender, started) = mpsc::channel();
    let server = thread::spawn(move || {
        System::new().block_on(async move {
            let shop = Shop::open().await;
            let auth = shop.auth.clone();
            let server = HttpServer::new(move || {
                App::new()
                    .configure(auth.mount("/api"))
                    .service(web::scope("/guard").wrap(JwtAuth).route("", web::post().to(upload)))
                    .route("/extractor", web::post().to(upload_of_user))
            });
            let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
            let address = server.addrs()[0];
            let server = server.run();
            sender.send((address, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    let (address, handle) = started.recv().unwrap();
    for path in ["/guard", "/extractor"] {
        let answer = announce_a_body(address, path);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
    }
    drop(handle.stop(false));
    server.join().unwrap();
}
