import type { GatewayApp, GatewayParts } from '../gateway-parts.js';
import { route } from './route.js';

/** The routes for monitoring, with a token. */
export function addWatchRoutes(app: GatewayApp, { metrics }: GatewayParts): void {
  route(app, '/metrics', {
    async GET() {
      const { text, contentType } = await metrics.scrape();
      return new Response(text, { headers: { 'content-type': contentType } });
    },
  });
}
