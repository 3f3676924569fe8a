// Starts `hakeep lsp` for documents of the language keepalived, and for hakeep.yaml.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

const documentSelector = [{ language: "keepalived" }, { language: "yaml", pattern: "**/hakeep.yaml" }];

let client;

exports.activate = () => {
  const [command, ...args] = workspace.getConfiguration("hakeep").get("command");
  client = new LanguageClient("hakeep", "hakeep", { command, args }, { documentSelector });
  return client.start();
};

exports.deactivate = () => client && client.stop();
