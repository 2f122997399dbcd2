//! Fetch: content from the first source that gives it, in one go or begun by one thread and gone on with by another.
//!
//! Theory: a thread that may not wait for a source begins. It sends the request on a kept connection and looks for
//! `look_ms` what comes. If that is all of a response, as with most small files, or a long one has begun, the same thread
//! goes on with what is there and waits for nothing. Else, or if the response is of no use, another thread goes on from
//! there: the request was sent, and is not sent again. In between the [`Exchange`] has what was begun.

use std::time::Instant;

use super::{Came, Entry, Error, Exchange, Failure, Request, Response, Upstream};

impl Upstream {
    /// Sends `request` to the first source, if that is in its place and a connection to it is kept, and reads what
    /// comes of the response within `look_ms`; `fetch` goes on with that. If anything came, [`Upstream::fetch_begun`] can, too.
    pub fn begin(&self, request: &Request, exchange: &Exchange) -> Came {
        let (first, now) = (self.serving(request).first(), Instant::now());
        let Some((number, Entry { source, health })) =
            first.and_then(|number| Some((*number, self.sources.get(*number)?)))
        else {
            return Came::Nothing;
        };
        if health.is_demoted(now) || self.wrong.last(number, request.path(), now).is_some() {
            return Came::Nothing;
        }
        exchange.asks(number);
        let url = source.url.below(source.path_of(request.path()));
        let came = self.client.begin(&url, request, exchange);
        if exchange.begun().is_some() {
            self.count_question(number);
        }
        came
    }

    /// The response to a request that was begun and of which enough has come, if it is usable and `prove` does not refuse
    /// it; waits for nothing. If there is none, `fetch` goes on to the next source.
    pub fn fetch_begun(
        &self,
        request: &Request,
        exchange: &Exchange,
        prove: &mut dyn FnMut(&mut Response) -> Result<(), Error>,
    ) -> Option<Response> {
        let number = exchange.begun()?;
        let answer = self.ask_one(
            number,
            false,
            request,
            self.timeout,
            exchange,
            &mut |response| {
                response.check(request)?;
                prove(response)
            },
        );
        answer.map_err(|cause| exchange.refuse(cause)).ok()
    }

    /// The first usable response to `request` that `prove` does not refuse.
    ///
    /// # Errors
    /// What all the failures together mean.
    pub fn fetch(
        &self,
        request: &Request,
        exchange: &Exchange,
        prove: &mut dyn FnMut(&mut Response) -> Result<(), Error>,
    ) -> Result<Response, Failure> {
        let mut order = self.order(request);
        if let Some(begun) = exchange.begun() {
            // It comes first, even if it has been silent for so long since that it would be asked last.
            let at = order.iter().position(|number| *number == begun);
            if let Some(first) = at.and_then(|at| order.get_mut(..=at)) {
                first.rotate_right(1);
            }
        }
        self.first(&order, request, exchange, &mut |response| {
            response.check(request)?;
            prove(response)
        })
    }
}
