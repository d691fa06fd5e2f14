// Tells the window that opened this one that an account was connected. The message holds nothing secret, and goes
// only to the origins that the page names, each by its exact name.
'use strict';
const result = document.getElementById('result').dataset;
if (window.opener) {
  const message = {
    type: 'GOOGLE_AUTH_SUCCESS',
    connectedServiceId: Number(result.connectedServiceId),
    provider: result.provider,
    serviceName: result.serviceName,
    serverId: result.serverId ? Number(result.serverId) : null,
  };
  for (const origin of result.origins.split(' ')) window.opener.postMessage(message, origin);
}
