// A change, with the page's token; the answer's JSON.
export async function post(path, data) {
  const {base, token} = document.body.dataset;
  const answer = await fetch(`${base}/llm/${path}`, {method: "POST", body: JSON.stringify(data), headers: {"Content-Type": "application/json", "X-Tokenswarm-Token": token}});
  if (answer.redirected) { location.reload(); throw new Error("logged out"); }
  if (!(answer.headers.get("Content-Type") ?? "").includes("json")) throw new Error((await answer.text()).slice(0, 200));
  return answer.json();
}
