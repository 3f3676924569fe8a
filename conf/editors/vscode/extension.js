// Starts `hakeep lsp` for documents of the language keepalived.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const [command, ...args] = workspace.getConfiguration("hakeep").get("command");
  client = new LanguageClient("hakeep", "hakeep", { command, args }, { documentSelector: [{ language: "keepalived" }] });
  return client.start();
};

exports.deactivate = () => client && client.stop();
