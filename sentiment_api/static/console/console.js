// The page: each part shows one thing and asks the service for it by itself.

import { showDrift } from "./drift.js";
import { takeKey } from "./key.js";
import { describeModel } from "./model.js";
import { showPredictions } from "./predictions.js";
import { showReview } from "./review.js";
import { showService } from "./service.js";

takeKey();
const model = describeModel(); // a promise: nothing waits for it but what is made of the model's labels
showReview(model);
showPredictions(model);
showService();
showDrift();
