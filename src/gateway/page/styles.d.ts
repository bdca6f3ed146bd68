// The bundler takes imported style sheets.
declare module '*.css';
