// What a site with Uppy 5 writes. `api` is the API's URL, or an upload link.

import AwsS3 from '@uppy/aws-s3';
import Uppy from '@uppy/core';

window.createUppy = (api, options) => new Uppy().use(AwsS3, { endpoint: api, ...options });
