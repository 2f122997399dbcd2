//! Question: what a well-framed request asks for, a status page or a file, and the response to that.
//!
//! Rules: what holds for every request comes first: its method, its expectations, that it goes in no loop; then the
//! pages of the program itself, whose names no package can have; then what may be a file.
//!
//! Not here: where a file is (`cache`), how what was found becomes a response (`found`).

use std::sync::Arc;

use super::found;
use super::lead::Lead;
use super::response::Response;
use super::status::Page;
use crate::cache::{Cache, Query, Sought};
use crate::http::via::{self, Loop};
use crate::http::{Malformed, Method, RequestHead, StatusCode};
use crate::log;
use crate::net::clients::Client;
use crate::store::{CachePath, Place};
use crate::sys::limits::limits;
use crate::upstream::Failure;

/// The response to a well-framed request of `client`.
pub fn respond(
    request: &RequestHead,
    cache: &Arc<Cache>,
    client: &Client,
    shows_status: bool,
    lead: &mut Lead,
) -> Response {
    let via = match check(request, cache) {
        Ok(via) => via,
        Err(refusal) => return *refusal,
    };
    if let Some(page) = Page::of(request).filter(|_| shows_status) {
        // A balancer's question is answered also when no thread is left.
        return match page == Page::Health || lead.give_up(client.stream()).is_ok() {
            true => page.respond(request, cache, client),
            false => Response::failure(Failure::Busy),
        };
    }
    let place = match place(request) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    let (Place::Listing(path) | Place::Opaque(path) | Place::File(path)) = &place else {
        return Response::failure(Failure::NotFound);
    };
    let query = Query {
        request,
        place: &place,
        via: &via,
        ended: cache.ended(),
    };
    let response = of_file(query, path, cache, client, lead);
    Response {
        looked_up: true,
        ..response
    }
}

/// The response for what is, or could be, a file.
fn of_file(
    query: Query<'_>,
    path: &CachePath,
    cache: &Arc<Cache>,
    client: &Client,
    lead: &mut Lead,
) -> Response {
    let found = match cache.stored(query) {
        Sought::Found(found) => found,
        // From here on this thread may wait, and another one leads.
        sought => match lead.give_up(client.stream()) {
            Ok(()) => cache.fetch(query, sought, client),
            Err(_) => return Response::failure(Failure::Busy),
        },
    };
    found::respond(cache, query.request, path, found)
}

/// The Via entries to pass on; or why the request is refused, whatever it asks for.
fn check(request: &RequestHead, cache: &Cache) -> Result<Vec<String>, Box<Response>> {
    if !matches!(request.method, Method::Get | Method::Head) {
        return Err(Box::new(Response::method(request.method)));
    }
    let mut expects = request.fields.members("Expect");
    if expects.any(|expects| !expects.eq_ignore_ascii_case(b"100-continue")) {
        let why = "only 100-continue can be expected";
        return Err(Box::new(Response::text(
            StatusCode::EXPECTATION_FAILED,
            why,
        )));
    }
    let most = usize::try_from(limits().via_hops).unwrap_or(usize::MAX);
    let looped = |why| Err(Box::new(Response::text(StatusCode::LOOP_DETECTED, why)));
    match via::passed_on(&request.fields, cache.pseudonym(), most) {
        Ok(via) => Ok(via),
        Err(Loop::Own) => {
            log::warning!("a request came back to us: one of our sources leads to this very cache");
            looped("the request came back to this cache")
        }
        Err(Loop::TooMany) => looped("the request went through too many caches"),
    }
}

/// What the path of a request names, or why it is refused.
fn place(request: &RequestHead) -> Result<Place, Box<Response>> {
    let path = request.target.path();
    let path = path.ok_or(Malformed::bad_request("the target has no path"));
    let place = path.and_then(CachePath::place);
    place.map_err(|why| Box::new(Response::malformed(why)))
}
