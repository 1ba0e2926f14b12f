// Lets the browser use or make a passkey, as the form says, and sends its answer with the
// form. Without this script the form stays hidden, and the page offers other ways.
const form = document.querySelector("form[data-passkey]");
const failed = document.querySelector("[data-failed]");

async function answer() {
  const { publicKey } = JSON.parse(form.dataset.passkey);
  if ("make" in form.dataset) {
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
  }
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
}

if (form && window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  form.hidden = false;
  document.querySelector("[data-cannot]").hidden = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failed.hidden = true;
    try {
      form.elements.response.value = JSON.stringify(await answer());
      form.submit();
    } catch {
      failed.hidden = false;
    }
  });
  if ("auto" in form.dataset) {
    form.requestSubmit();
  }
}
