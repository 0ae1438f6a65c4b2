// Send a command to the recorder. An answer is {ok, error}; without one, `ok` and `error` are missing.

const ANSWER_MS = 5000;

export async function send(command, args) {
  try {
    const answer = await fetch("/api/command", {
      method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify({command, ...args}), signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (answer.status === 401) location.href = "/login";
    return await answer.json();
  } catch { return {}; }
}
