// Shows the reference in place of the plain list. Whatever the renderer offers that leads elsewhere is off.
const place = document.getElementById('reference');
if (window.Scalar) {
  Scalar.createApiReference(place, {
    url: '/openapi.json',
    servers: [{ url: location.origin }],
    theme: 'default',
    withDefaultFonts: false,
    telemetry: false,
    proxyUrl: '',
    hideClientButton: true,
    showDeveloperTools: 'never',
    agent: { disabled: true },
    mcp: { disabled: true },
    documentDownloadType: 'direct',
    hideDarkModeToggle: true,
    persistAuth: false, // a key is forgotten with the page
    authentication: { preferredSecurityScheme: 'api_key' },
    hideModels: true,
    expandAllSchemaProperties: true,
    defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
    hiddenClients: { // samples in TypeScript stand in the description
      c: true, clojure: true, csharp: true, dart: true, fsharp: true, http: true, java: true, js: true, julia: true, kotlin: true, node: true,
      objc: true, ocaml: true, php: true, powershell: true, r: true, ruby: true, rust: true, swift: true,
      python: ['aiohttp', 'httpx_async', 'httpx_sync', 'python3'], shell: ['httpie', 'wget'],
    },
  });
} else {
  place.outerHTML = document.querySelector('noscript').textContent;
}
