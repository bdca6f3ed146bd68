import type { GatewayApp, GatewayParts } from '../gateway-parts.js';
import { route } from './route.js';

/** What watches over us asks for, with a token. */
export function addWatchRoutes(app: GatewayApp, { metrics }: GatewayParts): void {
  route(app, '/metrics', {
    async GET() {
      const { text, contentType } = await metrics.scrape();
      return new Response(text, { headers: { 'content-type': contentType } });
    },
  });
}
