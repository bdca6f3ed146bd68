import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';

/**
 * Gives calls with `Expect: 100-continue` to `listener` before their client is told to send the body. The
 * client gets `100` when something begins to read the body, and the answer at once where nothing does. Node
 * itself sends `100` before anything has looked at the call. A client that was not told to go on may send
 * its body all the same, or its next call in that place: the connection ends with such an answer.
 */
export function continueWhereRead(server: Server, listener: RequestListener): void {
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { shouldKeepAlive } = outgoing;
    outgoing.shouldKeepAlive = false;
    const read = incoming._read.bind(incoming);
    incoming._read = (size) => {
      incoming._read = read;
      // What is read after the answer is only thrown away.
      if (!outgoing.headersSent) {
        outgoing.shouldKeepAlive = shouldKeepAlive;
        outgoing.writeContinue();
      }
      read(size);
    };
    listener(incoming, outgoing);
  });
}
