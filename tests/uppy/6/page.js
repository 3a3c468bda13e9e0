// What a site with Uppy 6 writes. `api` is the API's URL, or an upload link.

import AwsS3 from '@uppy/aws-s3';
import Uppy from '@uppy/core';
import GoldenRetriever from '@uppy/golden-retriever';
import { form } from '../form.js';

// Parts or forms, asked for by Uppy.
window.createUppy = (api, options) => new Uppy().use(AwsS3, { companionEndpoint: api, ...options });

// Parts, one at a time, continued after a reload.
window.createLastingUppy = (api) => createUppy(api, { shouldUseMultipart: true, limit: 1 }).use(GoldenRetriever);

// Forms only, asked for by the site. A request to sign has no metadata, so its key is the file's ID.
window.createFormUppy = (api) => {
    const uppy = new Uppy();
    return uppy.use(AwsS3, {
        shouldUseMultipart: false,
        generateObjectKey: ({ id }) => id,
        signRequest: ({ key, contentType }) => form(api, uppy.getFile(key).meta, contentType),
    });
};
