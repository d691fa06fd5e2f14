// Makes every server of this process listen on 127.0.0.1 only.
const { Server } = require("node:net");

const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  const isPort = typeof port === "number" || typeof port === "string";
  return isPort && typeof rest[0] !== "string"
    ? listen.call(this, port, "127.0.0.1", ...rest)
    : listen.call(this, port, ...rest);
};
