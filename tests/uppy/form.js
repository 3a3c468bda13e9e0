// How a site asks for the form of a file itself. `api` is the API's URL.

export const form = async (api, { project, step, mail }, type) => {
    const query = new URLSearchParams({ mail, type });
    const response = await fetch(`${api}/presignedurl/${encodeURIComponent(project)}/${step}?${query}`);
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.Message);
    return answer;
};
