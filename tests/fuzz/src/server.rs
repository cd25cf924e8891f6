//! An application that is asked as a client would, without a network between.

use std::rc::Rc;

use actix_web::dev::Service;
use actix_web::http::header::{HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::rt::{System, SystemRunner};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::ServiceConfig;
use actix_web::{App, body};
use futures_util::future::LocalBoxFuture;

pub struct Server {
    system: SystemRunner,
    ask: Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, Answer>>,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Server {
    /// What `made` answers is the routes, and what belongs to them.
    pub fn new<R, T>(made: impl Future<Output = (R, T)>) -> (Self, T)
    where
        R: FnOnce(&mut ServiceConfig),
    {
        let system = System::new();
        let (service, rest) = system.block_on(async {
            let (routes, rest) = made.await;
            (Rc::new(init_service(App::new().configure(routes)).await), rest)
        });
        let ask = move |request: TestRequest| -> LocalBoxFuture<'static, Answer> {
            let service = Rc::clone(&service);
            Box::pin(async move {
                let response = match service.call(request.to_request()).await {
                    Ok(response) => response.into_parts().1.map_into_boxed_body(),
                    Err(error) => error.error_response(),
                };
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let body = body::to_bytes(response.into_body()).await.unwrap().to_vec();
                Answer { status, headers, body }
            })
        };
        (Self { system, ask: Box::new(ask) }, rest)
    }

    /// The answer, which is never that something of its own is broken.
    pub fn ask(&self, request: TestRequest) -> Answer {
        let answer = self.system.block_on((self.ask)(request));
        let body = String::from_utf8_lossy(&answer.body);
        assert!(matches!(answer.status, 200..500 | 503), "{}: {body}", answer.status);
        assert_eq!(answer.status == 401, answer.headers.contains_key(WWW_AUTHENTICATE));
        assert_eq!(answer.status == 503, answer.headers.contains_key(RETRY_AFTER));
        answer
    }

    /// Waits for what needs its runtime.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.system.block_on(future)
    }
}
